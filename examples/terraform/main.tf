# A team with its cluster. See docs/how-to/terraform.md.
terraform {
  required_providers {
    canopy = { source = "canopy.dev/canopy/canopy" }
  }
}

# The platform and the login of the command canopy, or $CANOPY_SERVER and $CANOPY_TOKEN.
provider "canopy" {}

variable "project" {
  description = "Name of the team's project."
  default     = "payments"
}

variable "owner" {
  description = "E-mail address of the project's owner: yours, since owners make service accounts."
  default     = "ada@example.com"
}

variable "nodes" {
  description = "How many machines the cluster has."
  default     = 1
}

variable "kubernetes_version" {
  description = "Version of Kubernetes; none: the platform's default."
  default     = null
}

data "canopy_releases" "all" {}

locals {
  default_version = one([for r in data.canopy_releases.all.releases : r.name if r.default == true])
}

resource "canopy_project" "team" {
  name         = var.project
  display_name = "Payments"
  quota        = { clusters = 3, nodes = 20, cpu = "64", memory = "0.25Ti" }
}

resource "canopy_member" "owner" {
  project = canopy_project.team.name
  name    = var.owner
  role    = "Owner"
}

resource "canopy_ssh_key" "owner" {
  project    = canopy_project.team.name
  name       = "owner"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIp36MmgNUCoF2KGDMP4Qhiao+AALxGXr5yvBsUrfTbR owner"
}

resource "canopy_cluster" "shop" {
  project         = canopy_project.team.name
  name            = "shop"
  datacenter      = "local"
  version         = coalesce(var.kubernetes_version, local.default_version)
  ssh_keys        = [canopy_ssh_key.owner.name]
  metadata_labels = { team = "payments" }
}

resource "canopy_node_pool" "workers" {
  project        = canopy_project.team.name
  cluster        = canopy_cluster.shop.name
  name           = "shop-workers"
  replicas       = var.nodes
  infrastructure = { local = {} }
}

# A machine of the team's, which may change its clusters.
resource "canopy_service_account" "ci" {
  project    = canopy_project.team.name
  name       = "ci"
  depends_on = [canopy_member.owner]
}

resource "canopy_member" "ci" {
  project = canopy_project.team.name
  kind    = "ServiceAccount"
  name    = canopy_service_account.ci.name
  role    = "Editor"
}

output "endpoint" {
  value = canopy_cluster.shop.endpoint
}
