// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"io"
	"os"

	"github.com/vishvananda/netlink"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/local/sandbox"
	"canopy.dev/canopy/internal/steps"
)

// Options of Up.
type Options struct {
	// Settings to use when the platform is new.
	Settings Settings
	// Explicit: somebody asked for these settings, so it is an error if an existing platform has others.
	Explicit bool
	// Out shows the progress; Terminal: it is a terminal, on which a line may be written over.
	Out      io.Writer
	Terminal bool
	// FirstAdmin is told the password of the first administrator, when there was none.
	FirstAdmin func(email, password string)
}

// up is what the steps of one Up hand on to each other.
type up struct {
	Options
	progress *steps.Progress
	built    builtImages
	process  process
	config   string // hash of kubeadm's configuration
}

// Up makes the platform run and returns when it is usable. Each step is done only as far as it is not done already, so
// Up repairs what a killed Up, a crash or a reboot left behind, and on a running platform takes a few seconds.
func Up(ctx context.Context, options Options) error {
	u := &up{Options: options, progress: steps.New(options.Out, options.Terminal)}
	if err := steps.Run(ctx, u.progress, []steps.Step{{Name: "check this machine", Run: u.check}}); err != nil {
		return err // before anything was written
	}
	release, err := lock()
	if err != nil {
		return err
	}
	defer release()
	bypassProxy(u.Settings)
	return steps.Run(ctx, u.progress, []steps.Step{
		{Name: "install packages", Run: u.installPackages},
		{Name: "build images", Run: u.buildImages},
		{Name: "provide kubectl", Run: u.provideKubectl},
		{Name: "unpack the node", Run: u.unpackNode},
		{Name: "start the sandbox", Run: u.startSandbox},
		{Name: "connect the network", Run: u.connectNetwork},
		{Name: "serve images", Run: u.pushImages},
		{Name: "start Kubernetes", Run: u.startKubernetes},
		{Name: "encrypt Secrets", Run: encryptSecrets},
		{Name: "provide volumes", Run: u.provideVolumes},
		{Name: "enforce network policies", Run: u.enforceNetworkPolicies},
		{Name: "provide load balancers", Run: u.provideLoadBalancers},
		{Name: "install Canopy", Run: u.installCanopy},
		{Name: "make the first administrator", Run: u.makeAdmin},
		{Name: "set up the master", Run: u.setUpMaster},
		{Name: "create the cluster " + DemoCluster, Run: u.createDemo},
		{Name: "make all clusters ready", Run: u.awaitClusters},
	})
}

func (u *up) check(context.Context) (err error) {
	if u.Settings, err = settle(u.Settings, u.Explicit); err != nil {
		return err
	}
	return preflight(u.Settings)
}

// bypassProxy keeps this process's requests to the platform away from a proxy that the environment may name.
func bypassProxy(s Settings) {
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		value := s.NodeAddress().String() + "," + s.LoadBalancerCIDR.String()
		if others := os.Getenv(name); others != "" {
			value += "," + others
		}
		os.Setenv(name, value)
	}
}

func (u *up) installPackages(ctx context.Context) error { return installPackages(ctx, hostTools) }

// startSandbox writes the node's configuration and makes the sandbox run with it.
func (u *up) startSandbox(ctx context.Context) (err error) {
	if err := makeStateDirs(); err != nil {
		return err
	}
	if err := sandbox.WriteJSON(settingsPath, u.Settings); err != nil {
		return err
	}
	if err := setSysctls(); err != nil {
		return err
	}
	version, err := installBinary()
	if err != nil {
		return err
	}
	input, err := u.nodeInput()
	if err != nil {
		return err
	}
	files := input.rootFiles()
	if err := writeRootFiles(u.built.root, files); err != nil {
		return err
	}
	u.config = input.configHash()
	u.process, err = ensureSandbox(ctx, sandbox.Spec{
		Boundary:      sandbox.Boundary{Root: u.built.root, Hostname: NodeName, Binds: stateBinds()},
		Binary:        binaryPath,
		BinaryVersion: version,
		StateFile:     statePath,
		LogDir:        logDir,
		Daemons:       input.daemons(files),
	})
	if err != nil {
		return err
	}
	return removeOtherRoots(u.built.root)
}

func (u *up) nodeInput() (nodeInput, error) {
	handle, err := netlink.NewHandle()
	if err != nil {
		return nodeInput{}, err
	}
	defer handle.Close()
	mtu, err := uplinkMTU(handle)
	if err != nil {
		return nodeInput{}, err
	}
	return nodeInput{
		Settings:    u.Settings,
		NodeName:    NodeName,
		NodePodBits: nodePodBits,
		MTU:         mtu,
		APIPort:     apiPort,
		imageNames:  listedImages(),
		Digests:     u.built.systemDigests(),
		Nameservers: hostNameservers(),
		Mirrors:     images.HostsFiles(u.Settings.RegistryURL()),
	}, nil
}

// hostNameservers returns the DNS servers of the host. Where the host runs a resolver on its loopback interface, which
// nobody else can reach, systemd has the real ones in a second file.
func hostNameservers() []string {
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if servers := parseNameservers(string(content)); len(servers) > 0 {
			return servers
		}
	}
	return nil
}

func (u *up) connectNetwork(ctx context.Context) error {
	return connect(ctx, u.process.PID, u.Settings)
}

func (u *up) startKubernetes(ctx context.Context) error {
	return ensureKubernetes(ctx, u.process, u.config)
}

func (u *up) provideVolumes(ctx context.Context) error {
	return ensureObjects(ctx, "volumes", storageObjects(u.built.server))
}

func (u *up) enforceNetworkPolicies(ctx context.Context) error {
	return ensureObjects(ctx, "network-policies", networkPolicyObjects(u.built.nodeNetwork))
}

func (u *up) provideLoadBalancers(ctx context.Context) error {
	return ensureObjects(ctx, "load-balancers", u.loadBalancerObjects())
}
