# The image of a gateway: docker build -t sisyphus . (docs/start/install.md)

# The first stage has the compiler and all packages, and builds.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# The packages come first, so that this layer is made again only when the lock file changes. No package may run scripts of its own.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY bin/build ./bin/
COPY src ./src
# What only builds and tests is not taken along.
RUN bin/build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

# The second stage has what runs, owned by root, so that the gateway cannot change its own code.
FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The functions that a gateway loads into Redis are read from their sources.
COPY --from=build /app/src/store/redis/lua ./src/store/redis/lua
COPY --from=build /app/src/live-page ./src/live-page
COPY --from=build /app/src/console ./src/console
COPY bin/sisyphus ./bin/
COPY deploy/health.mjs ./deploy/

# HOST: the default would be the container's own loopback address, which no published port leads to.
ENV NODE_ENV=production HOST=0.0.0.0
EXPOSE 3001
# The user `node` of the base image, who owns nothing here. A number, because Kubernetes cannot tell from a name that it is not root.
USER 1000:1000
# /healthz and not /readyz: a gateway whose Redis is away is not ready, and would not be made ready by a restart.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["node", "deploy/health.mjs"]
# A drain begins with SIGTERM. Docker kills 10 s later unless it is told otherwise: docker run --stop-timeout 30, and compose.yaml.
STOPSIGNAL SIGTERM
# As a list, without a shell: a shell would be process 1 and would not pass the signal on.
ENTRYPOINT ["node", "bin/sisyphus"]
CMD ["serve"]
