"""An audit as one page: escaped, without scripts, with nothing to fetch."""

from __future__ import annotations

from importlib import resources

from hardneg_plugin.report.audit.charts import charts_of
from hardneg_plugin.report.audit.data import AuditReport
from hardneg_plugin.report.audit.sections import audit_sections
from hardneg_plugin.report.audit.text import headline

TEMPLATE_FILE, STYLE_FILE = "audit.html.jinja", "audit.css"


def render_page(report: AuditReport) -> str:
    """Render an audit as HTML.

    :param report: The audit; nothing in its texts reaches the page as markup.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files(__package__)
    # The charts and the style are our own; the charts escape what they show.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(folder.joinpath(TEMPLATE_FILE).read_text("utf-8"))
    return (
        template.render(
            report=report,
            headline=headline(report),
            sections=audit_sections(report),
            charts=[Markup(chart) for _, chart in charts_of(report)],  # noqa: S704
            style=Markup(folder.joinpath(STYLE_FILE).read_text("utf-8")),  # noqa: S704
        )
        + "\n"
    )
