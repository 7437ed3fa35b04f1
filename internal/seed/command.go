// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

// NewCommand returns the command that runs the seed manager.
func NewCommand() *cobra.Command {
	opts := Options{}
	logs := textlogger.NewConfig()
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Host control planes: run the controllers of a seed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return err
			}
			logger := textlogger.NewLogger(logs)
			ctrl.SetLogger(logger)
			klog.SetLogger(logger)
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("reading how to reach the seed's API: %w", err)
			}
			return Run(cmd.Context(), config, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Exposure.Address, "address", "", "address of the seed's nodes under which people and nodes reach node ports (required)")
	flags.StringVar((*string)(&opts.Exposure.Strategy), "expose-strategy", string(v1alpha1.ExposeNodePort), "how clusters are reached that do not say it themselves: NodePort, LoadBalancer or Gateway")
	flags.StringVar(&opts.Exposure.Domain, "gateway-domain", "", "DNS domain of which clusters are subdomains at the gateway; empty: there is no gateway")
	flags.Int32Var(&opts.Exposure.GatewayPort, "gateway-port", 443, "port at which the gateway is reached")
	flags.StringVar(&opts.Exposure.GatewayAddress, "gateway-address", "", "IP address at which the gateway is reached if no DNS server knows the names below its domain; empty: they are in the DNS")
	flags.StringSliceVar(&opts.ReservedCIDRs, "reserved-cidrs", nil, "ranges that user clusters may not use because the seed does: its nodes, pods and services")
	flags.StringVar(&opts.RegistryMirror, "registry-mirror", "", "URL of the registry that nodes pull all images from first; empty: each image's own registry")
	flags.StringVar(&opts.Proxy.HTTP, "http-proxy", "", "URL of the proxy through which nodes reach http:// addresses outside; empty: none")
	flags.StringVar(&opts.Proxy.HTTPS, "https-proxy", "", "URL of the proxy through which nodes reach https:// addresses outside; empty: none")
	flags.StringVar(&opts.Proxy.No, "no-proxy", "", "hosts, domains and ranges, with commas between them, that nodes reach without the proxy")
	flags.StringVar(&opts.ServerImage, "server-image", "", "image of canopy-server, parts of which run inside user clusters (required)")
	flags.StringVar(&opts.NodeNetworkImage, "node-network-image", "", "image of node-network, which runs on every node of user clusters (required)")
	flags.StringVar(&opts.OpenVPNImage, "openvpn-image", "", "image of both ends of the tunnel (required)")
	flags.StringVar(&opts.Alertmanager, "alertmanager", "", "host and port of the Alertmanager that the alerts of all clusters go to; empty: none")
	flags.StringVar(&opts.HealthAddress, "health-address", ":8081", "address of the health checks")
	flags.StringVar(&opts.MetricsAddress, "metrics-address", ":8080", "address of the metrics")
	flags.BoolVar(&opts.LeaderElection, "leader-election", true, "let one of several replicas work")
	flags.IntVar(&opts.Workers, "workers", 8, "how many clusters are reconciled at the same time")
	return cmd
}

func (o Options) validate() error {
	if err := validateExposureOptions(o.Exposure); err != nil {
		return err
	}
	if o.ServerImage == "" {
		return errors.New("--server-image: want the image that this command runs from")
	}
	if o.NodeNetworkImage == "" {
		return errors.New("--node-network-image: want the image of node-network of the same release")
	}
	if o.OpenVPNImage == "" {
		return errors.New("--openvpn-image: want the image of openvpn of the same release")
	}
	for _, cidr := range o.ReservedCIDRs {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return fmt.Errorf("--reserved-cidrs: %w", err)
		}
	}
	return o.Proxy.Validate()
}

func validateExposureOptions(x controlplane.Exposure) error {
	if _, err := netip.ParseAddr(x.Address); err != nil {
		return errors.New("--address: want the IP address of the seed's nodes under which node ports are reached")
	}
	switch x.Strategy {
	case v1alpha1.ExposeNodePort, v1alpha1.ExposeLoadBalancer, v1alpha1.ExposeGateway:
	default:
		return fmt.Errorf("--expose-strategy %q: want NodePort, LoadBalancer or Gateway", x.Strategy)
	}
	if x.Domain == "" {
		if x.Strategy == v1alpha1.ExposeGateway {
			return errors.New("--expose-strategy Gateway: --gateway-domain is empty, so there is no gateway")
		}
		return nil
	}
	if wrong := validation.IsDNS1123Subdomain(x.Domain); len(wrong) > 0 {
		return fmt.Errorf("--gateway-domain %q: want a DNS domain such as seed-eu.example.com", x.Domain)
	}
	if _, err := netip.ParseAddr(x.GatewayAddress); x.GatewayAddress != "" && err != nil {
		return fmt.Errorf("--gateway-address %q: want an IP address, or none if the names below the domain are in the DNS", x.GatewayAddress)
	}
	return nil
}
