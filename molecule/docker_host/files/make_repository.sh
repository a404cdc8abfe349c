#!/bin/bash
# A small signed apt repository with the names and places of Docker's; its packages bring the distribution's engine.
set -euo pipefail
root=$1/linux/debian
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
architecture=$(dpkg --print-architecture)
pool=$root/dists/$codename/pool
index=$root/dists/$codename/stable/binary-$architecture
mkdir -p "$pool" "$index"

package() {
  local folder
  folder=$(mktemp -d)
  mkdir "$folder/DEBIAN"
  printf 'Package: %s\nVersion: 1:0.test\nArchitecture: %s\nMaintainer: dstk\nDepends: %s\nDescription: stands for %s\n' \
    "$1" "$architecture" "$2" "$1" >"$folder/DEBIAN/control"
  dpkg-deb --build --root-owner-group "$folder" "$pool/$1.deb" >/dev/null
}
package docker-ce docker.io
package docker-ce-cli docker.io
package containerd.io docker.io

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
