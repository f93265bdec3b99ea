# Every image, as `make images` builds it: images/<name>/Dockerfile on what images/base has in common.
# The Makefile says what the variables are.
variable "REGISTRY" {}
variable "TAG" {}
variable "PUSH" { default = "" }
variable "UV" {}
variable "REPOSITORY" {}
variable "REVISION" {}
variable "VERSION" {}

group "default" { targets = ["image"] }

target "image" {
  name       = image
  matrix     = { image = ["ingest", "validate", "features", "tune", "train", "evaluate", "register", "publish", "score", "collect", "monitor", "decide", "serving", "airflow", "mlflow"] }
  dockerfile = image == "serving" ? "serving/Dockerfile" : "images/${image}/Dockerfile"
  contexts   = { base = "target:base", groups = "target:groups", packages = "target:packages", source = "target:source" }
  args       = { VERSION = VERSION }
  tags       = ["${REGISTRY}/${image}:${TAG}"]
  output     = [PUSH == "" ? "type=docker" : "type=registry"]
  labels = { # not in a Dockerfile: so a new commit makes no layer anew
    "org.opencontainers.image.licenses" = "MIT"
    "org.opencontainers.image.revision" = REVISION
    "org.opencontainers.image.source"   = REPOSITORY
    "org.opencontainers.image.title"    = "rounds ${image}"
    "org.opencontainers.image.version"  = VERSION
  }
}

target "part" {
  name       = part
  matrix     = { part = ["base", "groups", "packages", "source"] }
  dockerfile = "images/base/Dockerfile"
  target     = part
  args       = { UV = UV }
}
