"""Reading all documents of a store, also of one that gives no more than so many at a time."""

from __future__ import annotations

import pytest
from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.errors import FilterError

from hardneg_plugin.components.store_documents import counted, stored_documents
from hardneg_plugin.errors import DatasetError


class Capped(InMemoryDocumentStore):
    """Gives so many documents at a time and says nothing, as Milvus, Elasticsearch and OpenSearch do.

    :param cap: Documents at a time.
    :param refused: Filters that are refused: ``range`` of ids, ``not in``, ``in``.
    """

    def __init__(self, cap, refused=(), ignores=False):
        super().__init__()
        self.cap, self.refused, self.ignores, self.asked = cap, refused, ignores, 0

    def filter_documents(self, filters=None):
        self.asked += 1
        found = [one for one in self.storage.values() if self.ignores or filters is None or self.fits(filters, one)]
        return found[: self.cap]

    def fits(self, filters, document):
        if "conditions" in filters:
            return all(self.fits(part, document) for part in filters["conditions"])
        field, operator, value = filters["field"], filters["operator"], filters["value"]
        kind = {">": "range", "<=": "range"}.get(operator, operator)
        if kind in self.refused or f"{field} {kind}" in self.refused:
            msg = f"no {operator}"
            raise FilterError(msg)
        own = document.id if field == "id" else document.meta.get(field.removeprefix("meta."))
        if kind == "range":
            return own > value if operator == ">" else own <= value
        return own == value if operator == "==" else own not in value


class Uncounted(Capped):
    count_documents_by_filter = None


def write(store, number, meta=lambda number: {}):
    # In no order, and more than one is a prefix of another.
    names = [f"{(number * 7) % 10}-{number}" for number in range(number)]
    store.write_documents(
        [Document(id=name, content=f"text {name}", meta=meta(position)) for position, name in enumerate(names)]
    )
    return sorted(names)


def read(store, filters=None):
    return sorted(one.id for one in stored_documents(store, filters))


def test_a_store_that_gives_all_is_asked_once():
    store = Capped(100)
    assert read(store) == []
    names = write(store, 100)
    store.asked = 0
    assert read(store) == names
    assert store.asked == 1


@pytest.mark.parametrize("refused", [(), ("not in",), ("id range",), ("id not in",)])
@pytest.mark.parametrize("number", [101, 250, 1_000])
def test_what_a_store_cuts_off_is_asked_for_by_filters(number, refused):
    store = Capped(100, refused)
    names = write(
        store, number, lambda position: {"page": position % 25, "file": f"f{position % 20}", "url": f"u{position}"}
    )
    documents = list(stored_documents(store, None))
    assert sorted(one.id for one in documents) == names
    assert len(documents) == number


def test_documents_without_any_meta_are_asked_for_by_their_ids():
    store = Capped(100, ("range",))
    names = write(store, 450)
    assert read(store) == names


@pytest.mark.parametrize("parameters", [{"refused": ("range", "not in", "==")}, {"ignores": True}])
def test_a_store_that_keeps_documents_to_itself_is_an_error(parameters):
    store = Capped(100, **parameters)
    write(store, 450, lambda position: {"page": position % 25})
    with pytest.raises(DatasetError, match=r"Capped: the store counts 450 documents and gives 100 \(100 at a time\)"):
        read(store)
    assert store.asked < 100


@pytest.mark.parametrize("kind", [Capped, Uncounted])
def test_filters_go_with_all_that_is_asked(kind):
    store = kind(100)
    write(store, 900, lambda position: {"page": position % 3})
    chosen = {"field": "meta.page", "operator": "==", "value": 1}
    found = list(stored_documents(store, chosen))
    assert len({one.id for one in found}) == len(found) == 300
    assert {one.meta["page"] for one in found} == {1}


def test_a_store_that_cannot_count_what_filters_select_is_asked_for_more():
    store = Uncounted(100)
    write(store, 100, lambda position: {"page": 1})
    chosen = {"field": "meta.page", "operator": "==", "value": 1}
    assert counted(store, chosen) is None
    assert len(read(store, chosen)) == 100
    # Once for all, once for what lies beyond.
    assert store.asked == 2


class Listing:
    """A store of documents with vectors that lists the values of its meta, as Chroma and pgvector do."""

    def __init__(self, documents, values=None):
        self.documents, self.values, self.largest = documents, values, 0

    def count_documents(self):
        return len(self.documents)

    def get_metadata_fields_info(self):
        return {"file": {"type": "text"}, "page": {"type": "long"}}

    def get_metadata_field_unique_values(self, key, size):
        values = self.values or sorted({one.meta[key] for one in self.documents if key in one.meta})
        return values[:size], len(values)

    def filter_documents(self, filters=None):
        key = filters["field"].removeprefix("meta.") if filters else ""
        found = [one for one in self.documents if filters is None or one.meta.get(key) in filters["value"]]
        self.largest = max(self.largest, len(found))
        return found


def listed(number, meta):
    return [Document(id=str(position), content="text", meta=meta(position)) for position in range(number)]


def test_a_large_store_is_read_part_by_part():
    store = Listing(listed(9_000, lambda position: {"file": f"f{position // 3}", "page": position % 90}))
    found = list(stored_documents(store, None))
    assert len({one.id for one in found}) == len(found) == 9_000
    assert store.largest == 2_000


@pytest.mark.parametrize("values", [None, ["no such page"]])
def test_documents_that_no_value_selects_are_read_as_well(values):
    store = Listing(listed(5_000, lambda position: {"page": position % 90} if position % 2 else {}), values)
    found = list(stored_documents(store, None))
    assert len({one.id for one in found}) == len(found) == 5_000


def test_a_store_that_streams_never_makes_a_list():
    class Streaming(InMemoryDocumentStore):
        def filter_documents(self, filters=None):
            raise AssertionError

        scroll_size = 10_000

        def _get_documents_generator(self, filters=None):
            assert self.scroll_size == 2_000
            yield from self.storage.values()

    store = Streaming()
    names = write(store, 30)
    assert read(store) == names
    assert store.scroll_size == 10_000
