#!/bin/sh
# Installs PostgreSQL and pgvector from Debian, for the tests in this folder. Run as root.
#
# Debian 13 and later package pgvector for their PostgreSQL. Debian 12 does not: there the source package of Debian 13
# is fetched (apt checks its signature) and built for PostgreSQL 15.
set -eu
export DEBIAN_FRONTEND=noninteractive

apt-get update -qq
apt-get install -qq -y --no-install-recommends postgresql
version=$(ls /usr/lib/postgresql | sort -n | tail -n 1)

if apt-cache show "postgresql-$version-pgvector" >/dev/null 2>&1; then
    apt-get install -qq -y --no-install-recommends "postgresql-$version-pgvector"
    exit 0
fi

apt-get install -qq -y --no-install-recommends "postgresql-server-dev-$version" gcc make dpkg-dev debian-archive-keyring
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user reads it
cd "$work"
mkdir -p lists/partial
# The mirror that this machine uses already.
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort | head -n 1)
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >trixie.list
apt_trixie() {
    apt-get -qq -o "Dir::Etc::sourcelist=$work/trixie.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root "$@"
}
apt_trixie update
apt_trixie source pgvector
cd pgvector-*/
# Neither tuned to this processor, nor with bitcode for the just-in-time compiler, which would need clang.
make -s OPTFLAGS="" with_llvm=no PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config"
make -s install with_llvm=no PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config"
