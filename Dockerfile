# The `cropstream` command with everything it does: coordinator, crop-worker and a trainer to try them with.
#
#   docker build -t cropstream --build-arg REVISION="$(git rev-parse HEAD)" .
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/cropstream:VERSION --push .

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error

# What decides about dependencies alone, so that their layers stay while sources change.
FROM base AS manifests
COPY . .
RUN find . -mindepth 1 -type f ! -name package.json ! -name package-lock.json -delete && find . -type d -empty -delete

FROM base AS build
# For the native pixel kernels.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY --from=manifests /app ./
RUN npm ci --ignore-scripts
COPY . .
RUN node scripts/build.mjs packages/cli services/dashboard \
 && find packages services -mindepth 2 -maxdepth 2 ! -name package.json ! -name dist ! -name bin -exec rm -r {} + \
 && find packages services -type f \( -name '*.map' -o -name '*.d.ts' -o -name .tsbuildinfo \) -delete \
 && find packages services -mindepth 1 -type d -empty -delete

FROM base AS dependencies
COPY --from=manifests /app ./
RUN npm ci --omit=dev --ignore-scripts --workspace packages/cli \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -iname '*.md' \) -delete

FROM base
# glibc's malloc keeps what threads have freed; jemalloc gives it back.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libjemalloc2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && ln -s /usr/lib/*-linux-gnu/libjemalloc.so.2 /usr/local/lib/libjemalloc.so.2 \
 && ln -s /app/packages/cli/bin/cropstream.js /usr/local/bin/cropstream \
 && install -d -o node -g node /var/cache/cropstream
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/packages ./packages
COPY --from=build /app/services ./services

ENV LD_PRELOAD=/usr/local/lib/libjemalloc.so.2 \
    NODE_ENV=production \
    CROPSTREAM_HOST=0.0.0.0 \
    CROPSTREAM_HTTP_PORT=7401 \
    CROPSTREAM_CACHE=/var/cache/cropstream
USER node
# gRPC of a coordinator, HTTP of either service, gRPC of a crop-worker's first cell.
EXPOSE 7400 7401 7410
# Whether it lives, which is said once the first run is open. Whether it is of use now is /readyz: no reason to start
# it again.
HEALTHCHECK --interval=10s --timeout=3s --start-period=600s CMD \
  ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CROPSTREAM_HTTP_PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["cropstream"]
CMD ["--help"]

# Last: another commit changes no layer above. scripts/version.mjs sets the version.
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Cropstream" \
      org.opencontainers.image.description="Seeded multi-crop batches for self-supervised vision training" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
