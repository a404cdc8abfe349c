#!/bin/bash
# A small signed apt repository with the names and places of Docker's; the engine in it is the distribution's.
set -euo pipefail
root=$1/linux/debian
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
architecture=$(dpkg --print-architecture)
pool=$root/dists/$codename/pool
index=$root/dists/$codename/stable/binary-$architecture
mkdir -p "$pool" "$index"

folder=$(mktemp -d)
cd "$folder"

# the engine: the distribution's, under the other name
apt-get download -qq docker.io
dpkg-deb --raw-extract docker.io_*.deb docker-ce
sed -i -e 's/^Package: .*/Package: docker-ce/' -e '/^Conflicts:/d' -e '/^Breaks:/d' -e '/^Replaces:/d' docker-ce/DEBIAN/control

for name in docker-ce-cli containerd.io; do
  mkdir -p "$name/DEBIAN"
  printf 'Package: %s\nVersion: 0.test\nArchitecture: %s\nMaintainer: dstk\nDescription: stands for %s\n' \
    "$name" "$architecture" "$name" >"$name/DEBIAN/control"
done
for name in docker-ce docker-ce-cli containerd.io; do
  dpkg-deb -Znone --build --root-owner-group "$name" "$pool/$name.deb" >/dev/null
done

cd "$root"
apt-ftparchive packages "dists/$codename/pool" >"$index/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Suite="$codename" -o APT::FTPArchive::Release::Components=stable \
  -o APT::FTPArchive::Release::Architectures="$architecture" release "dists/$codename" >/tmp/Release
mv /tmp/Release "dists/$codename/Release"

GNUPGHOME=$(mktemp -d)
export GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-generate-key 'A repository like Docker' ed25519 sign never
gpg --batch --quiet --clearsign --output "dists/$codename/InRelease" "dists/$codename/Release"
gpg --batch --quiet --armor --export >"$root/gpg"
