// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	computefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
	networkfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	resourcesfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3/fake"

	"canopy.dev/canopy/test/cloud/core"
)

const (
	tenant, client, secret, subscription = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000", "a-secret-of-an-application", "33333333-0000-0000-0000-000000000000"

	permissionsOperation, tokenOperation = "permissions", "token"
)

// world is a subscription of Azure: the SDK's own fake servers, behind which is what was made.
type world struct {
	*core.Cloud

	// denied are actions that nobody may do.
	denied    []string
	groups    *core.Table[*armresources.ResourceGroup]
	networks  *core.Table[*armnetwork.VirtualNetwork]
	security  *core.Table[*armnetwork.SecurityGroup]
	compute   *computefake.ServerFactoryTransport
	network   *networkfake.ServerFactoryTransport
	resources *resourcesfake.ServerFactoryTransport
}

func newSubscription() *world {
	w := &world{Cloud: core.New()}
	w.groups = core.NewTable[*armresources.ResourceGroup](w.Cloud, "resource group")
	w.networks = core.NewTable[*armnetwork.VirtualNetwork](w.Cloud, "virtual network")
	w.security = core.NewTable[*armnetwork.SecurityGroup](w.Cloud, "security group")
	w.groups.Give("named", &armresources.ResourceGroup{Name: new("named")})
	w.networks.Give("named/named", &armnetwork.VirtualNetwork{Name: new("named"), Properties: &armnetwork.VirtualNetworkPropertiesFormat{Subnets: []*armnetwork.Subnet{{Name: new("named")}}}})
	w.security.Give("named/named", &armnetwork.SecurityGroup{Name: new("named")})
	w.compute = computefake.NewServerFactoryTransport(&computefake.ServerFactory{
		VirtualMachinesServer: computefake.VirtualMachinesServer{BeginCreateOrUpdate: w.createVM, Get: w.getVM, BeginDelete: w.deleteVM, NewListPager: w.listVMs},
		ResourceSKUsServer:    computefake.ResourceSKUsServer{NewListPager: w.listSKUs},
		ImagesServer:          computefake.ImagesServer{NewListPager: w.listImages},
	})
	w.network = networkfake.NewServerFactoryTransport(&networkfake.ServerFactory{
		VirtualNetworksServer:   networkfake.VirtualNetworksServer{BeginCreateOrUpdate: w.createNetwork, Get: w.getNetwork, BeginDelete: w.deleteNetwork, NewListAllPager: w.listNetworks},
		SecurityGroupsServer:    networkfake.SecurityGroupsServer{BeginCreateOrUpdate: w.createSecurityGroup, Get: w.getSecurityGroup, BeginDelete: w.deleteSecurityGroup},
		InterfacesServer:        networkfake.InterfacesServer{NewListPager: w.listInterfaces},
		PublicIPAddressesServer: networkfake.PublicIPAddressesServer{NewListPager: w.listPublicIPs},
	})
	w.resources = resourcesfake.NewServerFactoryTransport(&resourcesfake.ServerFactory{
		ResourceGroupsServer: resourcesfake.ResourceGroupsServer{CreateOrUpdate: w.createGroup, Get: w.getGroup, BeginDelete: w.deleteGroup},
		ProvidersServer:      resourcesfake.ProvidersServer{Get: w.getProvider},
	})
	return w
}

// Do answers one call, by the name that the SDK gives it.
func (w *world) Do(request *http.Request) (response *http.Response, err error) {
	defer func() {
		if lost := recover(); lost != nil {
			response, err = nil, errors.New("connection reset by peer")
		}
	}()
	operation, _ := request.Context().Value(runtime.CtxAPINameKey{}).(string)
	if request.URL.Host == "login.microsoftonline.com" {
		operation = tokenOperation
	} else if operation == "" {
		operation = permissionsOperation
	}
	w.Serve(nil, operation,
		func(_ http.ResponseWriter, r *core.Refusal) { response = refusal(request, r) }, //nolint:bodyclose // whoever calls closes it
		func(http.ResponseWriter) { response, err = w.dispatch(request, operation) })    //nolint:bodyclose // whoever calls closes it
	return response, err
}

func (w *world) dispatch(request *http.Request, operation string) (*http.Response, error) {
	switch {
	case operation == tokenOperation:
		return w.token(request)
	case request.Header.Get("Authorization") != "Bearer a-token":
		return refusal(request, core.Refuse(core.Unauthenticated, "the access token is invalid")), nil
	case operation == permissionsOperation:
		return answer(request, http.StatusOK, map[string]any{"value": []map[string]any{{"actions": []string{"*/read", "Microsoft.*"}, "notActions": w.denied}}}), nil
	case strings.Contains(request.URL.Path, "Microsoft.Compute/"):
		return w.compute.Do(request)
	case strings.Contains(request.URL.Path, "Microsoft.Network/"):
		return w.network.Do(request)
	default:
		return w.resources.Do(request)
	}
}

// token is what Entra ID does for a client secret.
func (w *world) token(request *http.Request) (*http.Response, error) {
	authority := "https://login.microsoftonline.com/" + tenant
	if request.Method == http.MethodGet {
		return answer(request, http.StatusOK, map[string]string{
			"issuer": authority + "/v2.0", "authorization_endpoint": authority + "/oauth2/v2.0/authorize", "token_endpoint": authority + "/oauth2/v2.0/token",
		}), nil
	}
	if err := request.ParseForm(); err != nil {
		return nil, err
	}
	if request.PostForm.Get("client_id") != client || request.PostForm.Get("client_secret") != secret {
		return answer(request, http.StatusUnauthorized, map[string]string{
			"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1",
		}), nil
	}
	return answer(request, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": "a-token"}), nil
}

func answer(request *http.Request, status int, body any) *http.Response {
	content, _ := json.Marshal(body)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: request, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(content)), ContentLength: int64(len(content)),
	}
}

// said are Azure's codes.
var said = map[core.Kind]struct {
	status int
	code   string
}{
	core.Unauthenticated: {http.StatusUnauthorized, "InvalidAuthenticationToken"},
	core.Unauthorized:    {http.StatusForbidden, "AuthorizationFailed"},
	core.Quota:           {http.StatusConflict, "QuotaExceeded"},
	core.SoldOut:         {http.StatusConflict, "SkuNotAvailable"},
	core.RateLimited:     {http.StatusTooManyRequests, "TooManyRequests"},
	core.Invalid:         {http.StatusBadRequest, "InvalidParameter"},
	core.NotFound:        {http.StatusNotFound, "ResourceNotFound"},
	core.Conflict:        {http.StatusPreconditionFailed, "PreconditionFailed"},
	core.Internal:        {http.StatusInternalServerError, "InternalServerError"},
}

func refusal(request *http.Request, r *core.Refusal) *http.Response {
	s := said[r.Kind]
	return answer(request, s.status, map[string]any{"error": map[string]string{"code": s.code, "message": r.Message}})
}

func refuse(kind core.Kind) (e azfake.ErrorResponder) {
	e.SetResponseError(said[kind].status, said[kind].code)
	return e
}

func (w *world) createGroup(_ context.Context, group string, parameters armresources.ResourceGroup, _ *armresources.ResourceGroupsClientCreateOrUpdateOptions) (r azfake.Responder[armresources.ResourceGroupsClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	parameters.Name, parameters.Properties = &group, &armresources.ResourceGroupProperties{ProvisioningState: new("Succeeded")}
	w.groups.Put(group, &parameters)
	r.SetResponse(http.StatusCreated, armresources.ResourceGroupsClientCreateOrUpdateResponse{ResourceGroup: parameters}, nil)
	return r, e
}

// getGroup looks at a group, which goes when all that was in it has gone.
func (w *world) getGroup(ctx context.Context, group string, _ *armresources.ResourceGroupsClientGetOptions) (r azfake.Responder[armresources.ResourceGroupsClientGetResponse], e azfake.ErrorResponder) {
	found, ok := w.groups.Get(group)
	if !ok {
		return r, refuse(core.NotFound)
	}
	if found.Properties != nil && *found.Properties.ProvisioningState == "Deleting" && len(w.in(ctx, group)) == 0 {
		for _, n := range w.networks.All() {
			w.networks.Remove(group + "/" + *n.Name)
		}
		for _, s := range w.security.All() {
			w.security.Remove(group + "/" + *s.Name)
		}
		w.groups.Remove(group)
		return r, refuse(core.NotFound)
	}
	r.SetResponse(http.StatusOK, armresources.ResourceGroupsClientGetResponse{ResourceGroup: *found}, nil)
	return r, e
}

func (w *world) deleteGroup(ctx context.Context, group string, _ *armresources.ResourceGroupsClientBeginDeleteOptions) (r azfake.PollerResponder[armresources.ResourceGroupsClientDeleteResponse], e azfake.ErrorResponder) {
	found, ok := w.groups.Get(group)
	if !ok {
		return r, refuse(core.NotFound)
	}
	found.Properties.ProvisioningState = new("Deleting")
	for _, i := range w.in(ctx, group) {
		if _, err := w.End(ctx, i.ID); err != nil {
			e.SetError(err)
			return r, e
		}
	}
	r.SetTerminalResponse(http.StatusOK, armresources.ResourceGroupsClientDeleteResponse{}, nil)
	return r, e
}

func (w *world) getProvider(context.Context, string, *armresources.ProvidersClientGetOptions) (r azfake.Responder[armresources.ProvidersClientGetResponse], e azfake.ErrorResponder) {
	r.SetResponse(http.StatusOK, armresources.ProvidersClientGetResponse{Provider: armresources.Provider{ResourceTypes: []*armresources.ProviderResourceType{
		{ResourceType: new("virtualMachines"), Locations: []*string{new("West Europe"), new("East US")}},
	}}}, nil)
	return r, e
}

func (w *world) createNetwork(_ context.Context, group, name string, parameters armnetwork.VirtualNetwork, _ *armnetwork.VirtualNetworksClientBeginCreateOrUpdateOptions) (r azfake.PollerResponder[armnetwork.VirtualNetworksClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	if _, ok := w.groups.Get(group); !ok || parameters.Location == nil {
		return r, refuse(core.NotFound)
	}
	parameters.Name, parameters.Properties.ProvisioningState = &name, new(armnetwork.ProvisioningStateSucceeded)
	w.networks.Put(group+"/"+name, &parameters)
	r.SetTerminalResponse(http.StatusCreated, armnetwork.VirtualNetworksClientCreateOrUpdateResponse{VirtualNetwork: parameters}, nil)
	return r, e
}

func (w *world) getNetwork(_ context.Context, group, name string, _ *armnetwork.VirtualNetworksClientGetOptions) (r azfake.Responder[armnetwork.VirtualNetworksClientGetResponse], e azfake.ErrorResponder) {
	found, ok := w.networks.Get(group + "/" + name)
	if !ok {
		return r, refuse(core.NotFound)
	}
	r.SetResponse(http.StatusOK, armnetwork.VirtualNetworksClientGetResponse{VirtualNetwork: *found}, nil)
	return r, e
}

func (w *world) deleteNetwork(_ context.Context, group, name string, _ *armnetwork.VirtualNetworksClientBeginDeleteOptions) (r azfake.PollerResponder[armnetwork.VirtualNetworksClientDeleteResponse], e azfake.ErrorResponder) {
	w.networks.Remove(group + "/" + name)
	r.SetTerminalResponse(http.StatusOK, armnetwork.VirtualNetworksClientDeleteResponse{}, nil)
	return r, e
}

func (w *world) listNetworks(*armnetwork.VirtualNetworksClientListAllOptions) (r azfake.PagerResponder[armnetwork.VirtualNetworksClientListAllResponse]) {
	r.AddPage(http.StatusOK, armnetwork.VirtualNetworksClientListAllResponse{VirtualNetworkListResult: armnetwork.VirtualNetworkListResult{Value: w.networks.All()}}, nil)
	return r
}

func (w *world) createSecurityGroup(_ context.Context, group, name string, parameters armnetwork.SecurityGroup, _ *armnetwork.SecurityGroupsClientBeginCreateOrUpdateOptions) (r azfake.PollerResponder[armnetwork.SecurityGroupsClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	if _, ok := w.groups.Get(group); !ok || parameters.Location == nil {
		return r, refuse(core.NotFound)
	}
	parameters.Name, parameters.Properties.ProvisioningState = &name, new(armnetwork.ProvisioningStateSucceeded)
	w.security.Put(group+"/"+name, &parameters)
	r.SetTerminalResponse(http.StatusCreated, armnetwork.SecurityGroupsClientCreateOrUpdateResponse{SecurityGroup: parameters}, nil)
	return r, e
}

func (w *world) getSecurityGroup(_ context.Context, group, name string, _ *armnetwork.SecurityGroupsClientGetOptions) (r azfake.Responder[armnetwork.SecurityGroupsClientGetResponse], e azfake.ErrorResponder) {
	found, ok := w.security.Get(group + "/" + name)
	if !ok {
		return r, refuse(core.NotFound)
	}
	r.SetResponse(http.StatusOK, armnetwork.SecurityGroupsClientGetResponse{SecurityGroup: *found}, nil)
	return r, e
}

func (w *world) deleteSecurityGroup(_ context.Context, group, name string, _ *armnetwork.SecurityGroupsClientBeginDeleteOptions) (r azfake.PollerResponder[armnetwork.SecurityGroupsClientDeleteResponse], e azfake.ErrorResponder) {
	w.security.Remove(group + "/" + name)
	r.SetTerminalResponse(http.StatusOK, armnetwork.SecurityGroupsClientDeleteResponse{}, nil)
	return r, e
}

// in returns the machines of a group, and looks at them.
func (w *world) in(ctx context.Context, group string) []*core.Instance {
	return w.Instances(ctx, func(i *core.Instance) bool { return strings.HasPrefix(i.ID, group+"/") })
}

const vmKind = "/providers/Microsoft.Compute/virtualMachines/"

// vmOf returns a machine as Azure says that it is.
func vmOf(i *core.Instance) *armcompute.VirtualMachine {
	vm := *i.Detail.(*armcompute.VirtualMachine)
	properties := *vm.Properties
	group, name, _ := strings.Cut(i.ID, "/")
	// Identifiers have other capitals in some places, as Azure's.
	vm.ID, vm.Name = new("/subscriptions/"+subscription+"/resourceGroups/"+strings.ToUpper(group)+vmKind+name), &name
	state := map[core.State]string{core.Pending: "Creating", core.Running: "Succeeded", core.Ending: "Deleting"}[i.State]
	if i.Tags["failed"] != "" {
		state = "Failed"
		properties.InstanceView = &armcompute.VirtualMachineInstanceView{Statuses: []*armcompute.InstanceViewStatus{{Code: new("ProvisioningState/failed/AllocationFailed"), Message: new(i.Tags["failed"])}}}
	}
	properties.ProvisioningState, properties.TimeCreated = &state, &i.Created
	vm.Properties = &properties
	return &vm
}

func (w *world) createVM(ctx context.Context, group, name string, vm armcompute.VirtualMachine, options *armcompute.VirtualMachinesClientBeginCreateOrUpdateOptions) (r azfake.PollerResponder[armcompute.VirtualMachinesClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	id := group + "/" + name
	if options == nil || options.IfNoneMatch == nil || *options.IfNoneMatch != "*" {
		return r, refuse(core.Invalid)
	}
	if w.Instance(ctx, id) != nil {
		return r, refuse(core.Conflict)
	}
	if kind := w.wrong(group, vm); kind != "" {
		return r, refuse(kind)
	}
	userData, err := base64.StdEncoding.DecodeString(*vm.Properties.OSProfile.CustomData)
	if err != nil {
		return r, refuse(core.Invalid)
	}
	zone := ""
	if len(vm.Zones) > 0 {
		zone = *vm.Zones[0]
	}
	launched, err := w.Launch(ctx, core.Instance{
		ID: id, Name: name, Size: string(*vm.Properties.HardwareProfile.VMSize), Zone: zone, Tags: map[string]string{}, UserData: userData, Detail: &vm,
	})
	if refusal, ok := errors.AsType[*core.Refusal](err); ok {
		return r, refuse(refusal.Kind)
	}
	r.SetTerminalResponse(http.StatusCreated, armcompute.VirtualMachinesClientCreateOrUpdateResponse{VirtualMachine: *vmOf(launched)}, nil)
	return r, e
}

// wrong returns how Azure refuses what is asked for; empty: it does not.
func (w *world) wrong(group string, vm armcompute.VirtualMachine) core.Kind {
	p := vm.Properties
	image := p.StorageProfile.ImageReference
	nic := p.NetworkProfile.NetworkInterfaceConfigurations[0].Properties
	subnet := strings.Split(*nic.IPConfigurations[0].Properties.Subnet.ID, "/")
	_, network := w.networks.Get(subnet[4] + "/" + subnet[8])
	_, found := w.groups.Get(group)
	switch {
	case !found || !network || image.ID != nil && strings.HasSuffix(*image.ID, "/gone"):
		return core.NotFound
	case vm.Location == nil || !strings.HasPrefix(string(*p.HardwareProfile.VMSize), "Standard_D"):
		return core.Invalid
	case p.OSProfile.AdminUsername == nil || len(p.OSProfile.LinuxConfiguration.SSH.PublicKeys) != 1 || p.NetworkProfile.NetworkAPIVersion == nil:
		return core.Invalid
	case *p.StorageProfile.OSDisk.DeleteOption != armcompute.DiskDeleteOptionTypesDelete || *nic.DeleteOption != armcompute.DeleteOptionsDelete:
		return core.Invalid // it would leave something behind
	}
	return ""
}

func (w *world) getVM(ctx context.Context, group, name string, _ *armcompute.VirtualMachinesClientGetOptions) (r azfake.Responder[armcompute.VirtualMachinesClientGetResponse], e azfake.ErrorResponder) {
	i := w.Instance(ctx, group+"/"+name)
	if i == nil {
		return r, refuse(core.NotFound)
	}
	r.SetResponse(http.StatusOK, armcompute.VirtualMachinesClientGetResponse{VirtualMachine: *vmOf(i)}, nil)
	return r, e
}

func (w *world) deleteVM(ctx context.Context, group, name string, _ *armcompute.VirtualMachinesClientBeginDeleteOptions) (r azfake.PollerResponder[armcompute.VirtualMachinesClientDeleteResponse], e azfake.ErrorResponder) {
	there, err := w.End(ctx, group+"/"+name)
	if err != nil {
		e.SetError(err)
		return r, e
	}
	if !there {
		return r, refuse(core.NotFound)
	}
	r.SetTerminalResponse(http.StatusOK, armcompute.VirtualMachinesClientDeleteResponse{}, nil)
	return r, e
}

func (w *world) listVMs(group string, _ *armcompute.VirtualMachinesClientListOptions) (r azfake.PagerResponder[armcompute.VirtualMachinesClientListResponse]) {
	if _, ok := w.groups.Get(group); !ok {
		r.AddResponseError(http.StatusNotFound, "ResourceGroupNotFound")
		return r
	}
	all := w.in(context.Background(), group)
	for offset := 0; ; {
		page, next := core.Page(w.Cloud, all, offset, 0)
		var vms []*armcompute.VirtualMachine
		for _, i := range page {
			vms = append(vms, vmOf(i))
		}
		r.AddPage(http.StatusOK, armcompute.VirtualMachinesClientListResponse{VirtualMachineListResult: armcompute.VirtualMachineListResult{Value: vms}}, nil)
		if offset = next; next == 0 {
			return r
		}
	}
}

func (w *world) listInterfaces(group string, _ *armnetwork.InterfacesClientListOptions) (r azfake.PagerResponder[armnetwork.InterfacesClientListResponse]) {
	var nics []*armnetwork.Interface
	for _, i := range w.in(context.Background(), group) {
		ip := &armnetwork.InterfaceIPConfigurationPropertiesFormat{PrivateIPAddress: &i.PrivateIP}
		if i.Detail.(*armcompute.VirtualMachine).Properties.NetworkProfile.NetworkInterfaceConfigurations[0].Properties.IPConfigurations[0].Properties.PublicIPAddressConfiguration != nil {
			ip.PublicIPAddress = &armnetwork.PublicIPAddress{ID: new("/publicIPAddresses/" + i.Name)}
		}
		nics = append(nics, &armnetwork.Interface{Properties: &armnetwork.InterfacePropertiesFormat{
			VirtualMachine:   &armnetwork.SubResource{ID: new("/subscriptions/" + subscription + "/resourceGroups/" + group + vmKind + i.Name)},
			IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Properties: ip}},
		}})
	}
	r.AddPage(http.StatusOK, armnetwork.InterfacesClientListResponse{InterfaceListResult: armnetwork.InterfaceListResult{Value: nics}}, nil)
	return r
}

func (w *world) listPublicIPs(group string, _ *armnetwork.PublicIPAddressesClientListOptions) (r azfake.PagerResponder[armnetwork.PublicIPAddressesClientListResponse]) {
	var ips []*armnetwork.PublicIPAddress
	for _, i := range w.in(context.Background(), group) {
		ips = append(ips, &armnetwork.PublicIPAddress{ID: new("/publicipaddresses/" + i.Name), Properties: &armnetwork.PublicIPAddressPropertiesFormat{IPAddress: &i.PublicIP}})
	}
	r.AddPage(http.StatusOK, armnetwork.PublicIPAddressesClientListResponse{PublicIPAddressListResult: armnetwork.PublicIPAddressListResult{Value: ips}}, nil)
	return r
}

func (w *world) listSKUs(*armcompute.ResourceSKUsClientListOptions) (r azfake.PagerResponder[armcompute.ResourceSKUsClientListResponse]) {
	sku := func(name, cpus, memory, architecture string) *armcompute.ResourceSKU {
		capability := func(name, value string) *armcompute.ResourceSKUCapabilities {
			return &armcompute.ResourceSKUCapabilities{Name: &name, Value: &value}
		}
		return &armcompute.ResourceSKU{
			Name: &name, ResourceType: new("virtualMachines"), LocationInfo: []*armcompute.ResourceSKULocationInfo{{Zones: []*string{new("1"), new("2")}}},
			Capabilities: []*armcompute.ResourceSKUCapabilities{capability("vCPUs", cpus), capability("MemoryGB", memory), capability("CpuArchitectureType", architecture)},
		}
	}
	notHere := sku("Standard_D64s_v5", "64", "256", "x64")
	notHere.Restrictions = []*armcompute.ResourceSKURestrictions{{Type: new(armcompute.ResourceSKURestrictionsTypeLocation)}}
	r.AddPage(http.StatusOK, armcompute.ResourceSKUsClientListResponse{ResourceSKUsResult: armcompute.ResourceSKUsResult{Value: []*armcompute.ResourceSKU{
		sku("Standard_D4s_v5", "4", "16", "x64"), sku("Standard_D2ps_v5", "2", "8", "Arm64"), sku("Standard_D2s_v5", "2", "8", "x64"), notHere,
	}}}, nil)
	return r
}

func (w *world) listImages(*armcompute.ImagesClientListOptions) (r azfake.PagerResponder[armcompute.ImagesClientListResponse]) {
	r.AddPage(http.StatusOK, armcompute.ImagesClientListResponse{ImageListResult: armcompute.ImageListResult{Value: []*armcompute.Image{{Name: new("own"), ID: new("/images/own")}}}}, nil)
	return r
}
