// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

const (
	// LabelCluster is on every object that belongs to a HostedCluster; its value is the HostedCluster's name.
	LabelCluster = "hosting.canopy.dev/cluster"
	// LabelComponent is on every object and pod of a component; its value is the component's name.
	LabelComponent = "hosting.canopy.dev/component"
	// ComponentMachine is the component of the pods that are machines of the local provider.
	ComponentMachine = "machine"
	// LabelExposed is on the pods of a control plane that people and nodes reach through its Service.
	LabelExposed = "hosting.canopy.dev/exposed"
	// LabelGateway is on the Services to which the seed's gateway leads.
	LabelGateway = "hosting.canopy.dev/gateway"
	// LabelPool is on every machine and its node; its value is the pool's name.
	LabelPool = "hosting.canopy.dev/node-pool"
	// LabelMachine is on what belongs to one machine inside its user cluster; its value is the machine's name.
	LabelMachine = "hosting.canopy.dev/machine"

	// Finalizer keeps a HostedCluster until everything made from it is gone.
	Finalizer = "hosting.canopy.dev/hosted-cluster"
	// FinalizerMachine keeps a ProviderMachine until its instance is gone, and a ProviderCluster until nothing of it is left.
	FinalizerMachine = "hosting.canopy.dev/provider-machine"

	// AnnotationAbandonCloud with the value "true" on a HostedCluster that is being deleted lets it go although its cloud still
	// has load balancers and volumes of it, or nobody can say whether it has. They stay there, and cost what they cost.
	AnnotationAbandonCloud = "hosting.canopy.dev/abandon-cloud-resources"

	// SecretCredentials is the name of the Secret beside a HostedCluster with the credentials for its provider, if it needs any.
	SecretCredentials = "provider-credentials"

	// NamespacePrefix and a HostedCluster's name make the name of the namespace it is stored in.
	NamespacePrefix = "cluster-"
)
