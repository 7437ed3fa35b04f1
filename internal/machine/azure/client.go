// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	"k8s.io/utils/lru"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Keys of the credentials: a client secret of an application, its directory, and the subscription.
const (
	keyTenant       = "tenantID"
	keyClient       = "clientID"
	keySecret       = "clientSecret"
	keySubscription = "subscriptionID"
)

const (
	// callTimeout is how long an answer may take.
	callTimeout = 30 * time.Second
	// addressesKept is of how many machines an account remembers the addresses.
	addressesKept = 10000
)

// Cloud is Microsoft Azure.
type Cloud struct {
	accounts  machine.Opened[*account]
	transport policy.Transporter
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud. All calls go through transport, which is an http.Client except in tests.
func New(transport policy.Transporter) *Cloud {
	return &Cloud{accounts: machine.NewOpened[*account](), transport: transport}
}

// HTTP returns the transport that goes to Azure.
func HTTP() policy.Transporter { return &http.Client{Timeout: callTimeout} }

// account is a subscription, opened.
type account struct {
	place        v1alpha1.AzurePlace
	subscription string
	arm          *arm.Client

	groups     *armresources.ResourceGroupsClient
	providers  *armresources.ProvidersClient
	networks   *armnetwork.VirtualNetworksClient
	security   *armnetwork.SecurityGroupsClient
	interfaces *armnetwork.InterfacesClient
	publicIPs  *armnetwork.PublicIPAddressesClient
	vms        *armcompute.VirtualMachinesClient
	skus       *armcompute.ResourceSKUsClient
	images     *armcompute.ImagesClient

	// addresses are those of virtual machines by their identifiers in small letters: they do not change.
	addresses *lru.Cache
}

// account returns the clients for the credentials, which are kept: so are their token and their connections.
func (c *Cloud) account(a machine.Account) (*account, error) {
	return c.accounts.Get(a, func() (*account, error) { return c.open(a) })
}

func (c *Cloud) open(a machine.Account) (*account, error) {
	if a.Place.Azure == nil {
		return nil, fmt.Errorf("the place is at %s, not at Azure", a.Place.Name())
	}
	value := map[string]string{}
	for _, key := range []string{keyTenant, keyClient, keySecret, keySubscription} {
		if value[key] = strings.TrimSpace(string(a.Credentials[key])); value[key] == "" {
			return nil, unauthenticated(fmt.Sprintf("the key %q is missing", key))
		}
	}
	options := azcore.ClientOptions{
		Cloud: configuration(a.Place.Azure.Endpoint), Transport: c.transport,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // whoever calls tries again, and knows when
		Telemetry: policy.TelemetryOptions{ApplicationID: "canopy"},
	}
	token, err := azidentity.NewClientSecretCredential(value[keyTenant], value[keyClient], value[keySecret], &azidentity.ClientSecretCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true, // it is asked of the public cloud, whichever this is
	})
	if err != nil {
		return nil, unauthenticated(err.Error())
	}
	subscription := value[keySubscription]
	armOptions := &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}
	client, err := arm.NewClient("canopy", "v1.0.0", token, armOptions)
	if err != nil {
		return nil, fmt.Errorf("making a client for Azure: %w", err)
	}
	resources, err := armresources.NewClientFactory(subscription, token, armOptions)
	if err != nil {
		return nil, fmt.Errorf("making a client for Azure: %w", err)
	}
	network, err := armnetwork.NewClientFactory(subscription, token, armOptions)
	if err != nil {
		return nil, fmt.Errorf("making a client for Azure: %w", err)
	}
	compute, err := armcompute.NewClientFactory(subscription, token, armOptions)
	if err != nil {
		return nil, fmt.Errorf("making a client for Azure: %w", err)
	}
	return &account{
		place: *a.Place.Azure, subscription: subscription, arm: client,
		groups: resources.NewResourceGroupsClient(), providers: resources.NewProvidersClient(),
		networks: network.NewVirtualNetworksClient(), security: network.NewSecurityGroupsClient(),
		interfaces: network.NewInterfacesClient(), publicIPs: network.NewPublicIPAddressesClient(),
		vms: compute.NewVirtualMachinesClient(), skus: compute.NewResourceSKUsClient(), images: compute.NewImagesClient(),
		addresses: lru.New(addressesKept),
	}, nil
}

// configuration returns which Azure the endpoint is of: the public one unless it is known to be another.
func configuration(endpoint string) cloud.Configuration {
	if endpoint == "" {
		return cloud.AzurePublic
	}
	for _, known := range []cloud.Configuration{cloud.AzureGovernment, cloud.AzureChina} {
		if strings.TrimSuffix(known.Services[cloud.ResourceManager].Endpoint, "/") == strings.TrimSuffix(endpoint, "/") {
			return known
		}
	}
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: endpoint, Audience: cloud.AzurePublic.Services[cloud.ResourceManager].Audience},
		},
	}
}

func unauthenticated(what string) error {
	return &machine.RefusedError{
		Reason:  v1alpha1.ReasonUnauthenticated,
		Message: "the credentials for Azure cannot be used: " + what + "; change the Secret of the Preset",
	}
}
