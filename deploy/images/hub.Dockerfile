# The hub and its command line, run from sources, with git and nats-server. Build from the repository's top folder:
#   docker build -f deploy/images/hub.Dockerfile -t fairlead/hub .

FROM golang:1.26-bookworm AS tools
WORKDIR /tools
COPY deploy/tools/go.mod deploy/tools/go.sum ./
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-s -w" -o /out/nats-server github.com/nats-io/nats-server/v2

FROM node:24-bookworm-slim
# git and ssh fetch from Git hosts; gnupg and ssh-keygen check signatures.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates git gnupg openssh-client \
  && rm -rf /var/lib/apt/lists/*
COPY --from=tools /out/nats-server /usr/local/bin/nats-server
WORKDIR /opt/fairlead
COPY package.json package-lock.json ./
COPY proto proto
COPY shared shared
COPY hub hub
COPY agent/package.json agent/package.json
COPY e2e/package.json e2e/package.json
RUN npm ci --omit=dev --workspace hub && npm cache clean --force \
  && ln -s /opt/fairlead/hub/bin/fairlead.js /usr/local/bin/fairlead
ENV NODE_ENV=production \
  FAIRLEAD_DATA_DIR=/var/lib/fairlead \
  FAIRLEAD_HTTP_ADDRESS=0.0.0.0:9080 \
  FAIRLEAD_ENROL_ADDRESS=0.0.0.0:9081 \
  FAIRLEAD_LINK_ADDRESS=0.0.0.0:9082 \
  FAIRLEAD_NATS_ADDRESS=0.0.0.0:9083
RUN install -d -o 65532 -g 65532 -m 700 /var/lib/fairlead
USER 65532:65532
VOLUME /var/lib/fairlead
EXPOSE 9080 9081 9082 9083
ENTRYPOINT ["node", "/opt/fairlead/hub/bin/fairlead.js"]
CMD ["hub"]
