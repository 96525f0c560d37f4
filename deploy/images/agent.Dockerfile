# The agent: one bundle, SQLite's binding, kustomize and helm. Build from the repository's top folder:
#   docker build -f deploy/images/agent.Dockerfile -t fairlead/agent .

# The tools at the versions of deploy/tools/go.mod, stamped so that they print them: the agent's cache depends on it.
FROM golang:1.26-bookworm AS tools
WORKDIR /tools
COPY deploy/tools/go.mod deploy/tools/go.sum ./
ENV CGO_ENABLED=0
RUN version() { go list -m -f '{{.Version}}' "$1"; } \
  && go build -trimpath -o /out/kustomize \
    -ldflags "-s -w -X sigs.k8s.io/kustomize/api/provenance.version=$(version sigs.k8s.io/kustomize/kustomize/v5)" \
    sigs.k8s.io/kustomize/kustomize/v5 \
  && go build -trimpath -o /out/helm \
    -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$(version helm.sh/helm/v4)" \
    helm.sh/helm/v4/cmd/helm

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
