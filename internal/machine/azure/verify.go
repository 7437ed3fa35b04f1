// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"context"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Actions are what this package does in the subscription: the smallest role. To give machines a managed identity,
// Microsoft.ManagedIdentity/userAssignedIdentities/assign/action is needed beside them.
var Actions = []string{
	"Microsoft.Authorization/permissions/read",
	"Microsoft.Compute/disks/delete",
	"Microsoft.Compute/disks/write",
	"Microsoft.Compute/images/read",
	"Microsoft.Compute/skus/read",
	"Microsoft.Compute/virtualMachines/delete",
	"Microsoft.Compute/virtualMachines/instanceView/read",
	"Microsoft.Compute/virtualMachines/read",
	"Microsoft.Compute/virtualMachines/write",
	"Microsoft.Network/networkInterfaces/delete",
	"Microsoft.Network/networkInterfaces/join/action",
	"Microsoft.Network/networkInterfaces/read",
	"Microsoft.Network/networkInterfaces/write",
	"Microsoft.Network/networkSecurityGroups/delete",
	"Microsoft.Network/networkSecurityGroups/join/action",
	"Microsoft.Network/networkSecurityGroups/read",
	"Microsoft.Network/networkSecurityGroups/write",
	"Microsoft.Network/publicIPAddresses/delete",
	"Microsoft.Network/publicIPAddresses/join/action",
	"Microsoft.Network/publicIPAddresses/read",
	"Microsoft.Network/publicIPAddresses/write",
	"Microsoft.Network/virtualNetworks/delete",
	"Microsoft.Network/virtualNetworks/read",
	"Microsoft.Network/virtualNetworks/subnets/join/action",
	"Microsoft.Network/virtualNetworks/subnets/read",
	"Microsoft.Network/virtualNetworks/write",
	"Microsoft.Resources/subscriptions/providers/read",
	"Microsoft.Resources/subscriptions/resourceGroups/delete",
	"Microsoft.Resources/subscriptions/resourceGroups/read",
	"Microsoft.Resources/subscriptions/resourceGroups/write",
}

// permissionsVersion is that of the API of permissions, which the SDK has for resources and resource groups only.
const permissionsVersion = "2022-04-01"

// permissions are what a role gives: what is in actions, without what is in notActions. Both may have wildcards.
type permissions struct {
	Value []struct {
		Actions    []string `json:"actions"`
		NotActions []string `json:"notActions"`
	} `json:"value"`
	NextLink string `json:"nextLink"`
}

// Verify asks Azure what the roles of the application in the subscription give.
func (c *Cloud) Verify(ctx context.Context, account machine.Account) error {
	a, err := c.account(account)
	if err != nil {
		return err
	}
	doing := "looking up what the application may do in the subscription " + a.subscription
	var all permissions
	next := runtime.JoinPaths(a.arm.Endpoint(), "/subscriptions/"+a.subscription+"/providers/Microsoft.Authorization/permissions?api-version="+permissionsVersion)
	for next != "" {
		page, err := a.permissions(ctx, next)
		if err != nil {
			return explain(err, doing)
		}
		all.Value, next = append(all.Value, page.Value...), page.NextLink
	}
	var missing []string
	for _, action := range Actions {
		if !all.allow(action) {
			missing = append(missing, action)
		}
	}
	if len(missing) > 0 {
		return refused(v1alpha1.ReasonUnauthorized, doing, "it may not "+strings.Join(missing, ", "))
	}
	return nil
}

func (a *account) permissions(ctx context.Context, url string) (permissions, error) {
	var page permissions
	request, err := runtime.NewRequest(ctx, http.MethodGet, url)
	if err != nil {
		return page, err
	}
	response, err := a.arm.Pipeline().Do(request)
	if err != nil {
		return page, err
	}
	defer response.Body.Close()
	if !runtime.HasStatusCode(response, http.StatusOK) {
		return page, runtime.NewResponseError(response)
	}
	return page, runtime.UnmarshalAsJSON(response, &page)
}

func (p permissions) allow(action string) bool {
	for _, role := range p.Value {
		if anyMatches(role.Actions, action) && !anyMatches(role.NotActions, action) {
			return true
		}
	}
	return false
}

func anyMatches(patterns []string, action string) bool {
	for _, pattern := range patterns {
		if matches(strings.ToLower(pattern), strings.ToLower(action)) {
			return true
		}
	}
	return false
}

// matches reports whether the pattern, in which * stands for anything, is of the action.
func matches(pattern, action string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == action
	}
	rest, ok := strings.CutPrefix(action, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
