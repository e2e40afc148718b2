#!/usr/bin/env bash
# Builds hybrid-outpost:<version> and hybrid-outpost-control-plane:<version> from a base image pinned by digest, and prints what it pinned.
# BASE_IMAGE may name another base, with or without a digest; DOCKER another client (it must know BuildKit).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
docker=${DOCKER:-docker}
wanted=${BASE_IMAGE:-python:3.12-slim-bookworm}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

"$docker" info >/dev/null 2>&1 || {
  echo "no container engine answers '$docker info'; start one, or set DOCKER_HOST" >&2
  exit 1
}
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
if [[ $wanted != *@sha256:* ]]; then
  "$docker" image inspect "$wanted" >/dev/null 2>&1 || "$docker" pull --quiet "$wanted"
  digest=$("$docker" image inspect --format '{{with .RepoDigests}}{{index . 0}}{{end}}' "$wanted")
  if [[ $digest ]]; then
    wanted=$digest
  else
    arguments+=(--build-arg ALLOW_LOCAL_BASE=1)
    echo "base: $wanted was made on this machine and has no digest ($("$docker" image inspect --format '{{.Id}}' "$wanted"))"
  fi
fi
echo "base: $wanted"

for target in outpost control-plane; do
  name=hybrid-outpost
  [[ $target == outpost ]] || name+=-$target
  DOCKER_BUILDKIT=1 "$docker" build --quiet --target "$target" --tag "$name:$version" --tag "$name:latest" \
    --build-arg "BASE_IMAGE=$wanted" "${arguments[@]}" .
  "$docker" image inspect --format "built $name:$version, {{.Size}} bytes" "$name:$version"
done
