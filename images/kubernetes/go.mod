// This file only marks the folder as a module of its own, so that the rest of the repository does not depend on
// Kubernetes' servers. Each minor is built with its own module file: go build -modfile=v1.37.mod.
module canopy.dev/canopy/images/kubernetes

go 1.26.0
