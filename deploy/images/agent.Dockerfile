# The agent: one bundle, SQLite's binding, the render host (kustomize and helm) and sops. Build from the repository's top folder:
#   docker build -f deploy/images/agent.Dockerfile -t fairlead/agent .

# The tools at the versions of deploy/tools/go.mod. The stamp changes with them: the agent's cache depends on it.
FROM golang:1.26-bookworm AS tools
WORKDIR /tools
COPY deploy/tools/go.mod deploy/tools/go.sum ./
COPY deploy/tools/render-host render-host
ENV CGO_ENABLED=0
RUN stamp="0.1.0-$(cat go.mod render-host/* | sha256sum | cut -c1-12)" \
  && go build -trimpath -o /out/fairlead-render-host -ldflags "-s -w -X main.version=$stamp" ./render-host \
  && go build -trimpath -o /out/sops -ldflags "-s -w" github.com/getsops/sops/v3/cmd/sops

FROM node:24-bookworm-slim AS bundle
WORKDIR /source
COPY package.json package-lock.json ./
COPY proto proto
COPY shared shared
COPY agent agent
COPY hub/package.json hub/package.json
COPY e2e/package.json e2e/package.json
RUN npm ci --workspace agent && node agent/build/bundle.ts

FROM node:24-bookworm-slim
COPY --from=tools /out/ /usr/local/bin/
COPY --from=bundle /source/agent/dist/ /opt/fairlead/
ENV NODE_ENV=production FAIRLEAD_DATA_DIR=/var/lib/fairlead
RUN install -d -o 65532 -g 65532 -m 700 /var/lib/fairlead
USER 65532:65532
VOLUME /var/lib/fairlead
# A small young generation keeps the resident memory low; the agent makes little garbage at a time.
ENTRYPOINT ["node", "--max-semi-space-size=4", "--optimize-for-size", "/opt/fairlead/agent.mjs"]
