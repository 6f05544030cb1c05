#!/usr/bin/env bash
# Builds the base images that the Dockerfile and docker-compose.yml name, for a site whose Docker engine
# reaches no registry: from Debian's packages and this machine's Rust toolchain. Where a registry can be
# reached, nobody needs this: the names are those of the public images.
#
#   deploy/base-images.sh            what `docker compose up` needs
#   deploy/base-images.sh --bench    Locust's image as well
#
# DEBIAN_MIRROR names another mirror than debootstrap's own choice.
# Needs root, debootstrap (installed where apt has it) and cargo. An image that is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT

# The names stand in the files that use them, and nowhere else.
argument() { sed --quiet "s/^ARG $1=//p" Dockerfile; }
service_image() { sed --quiet "s|^ *image: \($1:.*\)|\1|p" docker-compose.yml | head -n 1; }
rust=$(argument RUST_IMAGE)
debian=$(argument RUNTIME_IMAGE)
redis=$(service_image redis)
nginx=$(service_image nginx)
locust=$(service_image locustio/locust)

missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

# bootstrap SUITE: a minimal Debian in $work/SUITE, made once.
bootstrap() {
  local suite=$1 root=$work/$1
  if [ ! -e "$root/etc/debian_version" ]; then
    echo "bootstrapping Debian $suite" >&2
    # Debian's script for unstable fits every later suite.
    debootstrap --variant=minbase "$suite" "$root" "${DEBIAN_MIRROR:-}" /usr/share/debootstrap/scripts/sid >"$work/log" 2>&1 ||
      { tail "$work/log" >&2; return 1; }
    # No service may start in there, and nobody needs manuals in an image.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
      >"$root/etc/dpkg/dpkg.cfg.d/slim"
  fi
}

# add_packages ROOT PACKAGE...: Debian packages without what they only recommend.
add_packages() {
  local root=$1
  shift
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install --yes --quiet --no-install-recommends "$@" \
    >"$work/log" 2>&1 || { tail "$work/log" >&2; return 1; }
}

# trust ROOT: a site without a registry often has a certificate authority of its own between it and the world.
# What builds in this image has to trust it as this machine does.
trust() {
  add_packages "$1" ca-certificates
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp --target-directory "$1/usr/local/share/ca-certificates" {} +
  chroot "$1" update-ca-certificates >/dev/null 2>&1
}

# copy SUITE NAME: a copy of a bootstrapped Debian to build one image in. Prints where it is.
copy() {
  bootstrap "$1"
  cp --archive "$work/$1" "$work/$2"
  echo "$work/$2"
}

# import ROOT IMAGE [CHANGE...]: makes the image, with Dockerfile instructions for what tar doesn't hold.
import() {
  local root=$1 image=$2 changes=()
  shift 2
  for change in "$@"; do changes+=(--change "$change"); done
  rm --recursive --force "$root"/usr/share/{doc,man,locale}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  tar --create --numeric-owner --directory "$root" --exclude './proc/*' --exclude './sys/*' . |
    docker import "${changes[@]}" - "$image" >/dev/null
  rm --recursive --force "$root"
  echo "made $image"
}

# same IMAGE VERSION: says so where Debian's version is not the one that the image is named for.
same() {
  case "${1##*:}" in
    "$2" | "$2"-*) ;;
    *) echo "note: $1 is made from version $2, which Debian has now" >&2 ;;
  esac
}

# shellcheck disable=SC2016 # dpkg-query expands it
version_of() { chroot "$1" dpkg-query --show --showformat='${source:Upstream-Version}' "$2"; }

command -v debootstrap >/dev/null || { echo "installing debootstrap"; apt-get install --yes --quiet debootstrap >/dev/null; }

if missing "$debian"; then
  root=$(copy trixie debian)
  same "$debian" "$(cat "$root/etc/debian_version")"
  import "$root" "$debian" 'CMD ["bash"]'
fi

if missing "$rust"; then
  root=$(copy trixie rust)
  trust "$root"
  add_packages "$root" gcc libc6-dev
  toolchain=$(rustc --print sysroot)
  same "$rust" "$(rustc --version | cut --delimiter ' ' --fields 2)"
  tar --create --directory "$toolchain" --exclude share/doc --exclude lib/rustlib/src . |
    tar --extract --no-same-owner --directory "$root/usr/local"
  import "$root" "$rust" 'CMD ["bash"]'
fi

# The suite after stable has the releases of nginx and Redis that the public images have.
if missing "$redis"; then
  root=$(copy forky redis)
  # The public image's user and group.
  chroot "$root" groupadd --system --gid 999 redis
  chroot "$root" useradd --system --gid redis --uid 999 redis
  add_packages "$root" redis-server
  same "$redis" "$(version_of "$root" redis-server)"
  chroot "$root" install --directory --owner redis --group redis /data
  import "$root" "$redis" 'VOLUME /data' 'WORKDIR /data' 'USER redis' 'CMD ["redis-server"]'
fi

if missing "$nginx"; then
  root=$(copy forky nginx)
  chroot "$root" groupadd --system --gid 101 nginx
  chroot "$root" useradd --system --gid nginx --uid 101 nginx
  add_packages "$root" nginx-light
  same "$nginx" "$(version_of "$root" nginx)"
  import "$root" "$nginx" 'CMD ["nginx", "-g", "daemon off;"]'
fi

if [ "${1:-}" = --bench ] && missing "$locust"; then
  root=$(copy trixie locust)
  trust "$root"
  add_packages "$root" python3 python3-venv
  chroot "$root" python3 -m venv /opt/venv
  chroot "$root" /opt/venv/bin/pip install --quiet --no-cache-dir "locust==${locust##*:}"
  chroot "$root" useradd --uid 1000 --create-home locust
  import "$root" "$locust" 'ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin' 'USER locust' \
    'WORKDIR /home/locust' 'ENTRYPOINT ["locust"]'
fi
