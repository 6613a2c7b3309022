# cogflow, cogflow-worker and cogflow-gateway with the programs that they call: ffmpeg, tesseract, bubblewrap.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./starter ./workers ./gateway && \
    mv /out/starter /out/cogflow && mv /out/workers /out/cogflow-worker && mv /out/gateway /out/cogflow-gateway

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends bubblewrap ca-certificates ffmpeg tesseract-ocr tini && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cogflow && \
    install -d -o 10001 -g 10001 /var/lib/cogflow /scratch
COPY --from=build /out/cogflow /out/cogflow-worker /out/cogflow-gateway /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/cogflow
# tini forwards SIGTERM, so that a worker drains, and reaps orphaned processes.
ENTRYPOINT ["tini", "--", "cogflow-worker"]
