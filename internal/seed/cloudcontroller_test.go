// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
	"canopy.dev/canopy/internal/machine/fleet"
	"canopy.dev/canopy/internal/testenv"
	"canopy.dev/canopy/internal/usercluster"
	testcloud "canopy.dev/canopy/test/cloud/aws"
)

// balancedTest is a cluster with a node at a test cloud, whose API runs for real, beside AWS's cloud controller manager.
type balancedTest struct {
	leavingTest

	account *testcloud.Cloud
	cloud   *aws.Cloud
	// cluster is what the cloud knows of the cluster.
	cluster  machine.Cluster
	instance machine.Instance
}

func newBalancedTest(t *testing.T, name string, credentials map[string][]byte) *balancedTest {
	t.Helper()
	b := &balancedTest{account: testcloud.New(), cloud: aws.New()}
	server := httptest.NewServer(b.account)
	t.Cleanup(server.Close)
	b.leavingTest = newLeavingTest(t, name, func(spec *v1alpha1.HostedClusterSpec) { spec.Cloud.Place.AWS.Endpoint = server.URL })

	secret := create(t, b.Client, clusterSecret(b.hc, v1alpha1.SecretCredentials, credentials))
	pc := &v1alpha1.ProviderCluster{}
	b.get(pc, b.hc.Name)
	b.cluster = fleet.Cluster(pc, secret)
	var err error
	if b.cluster.Network, err = b.cloud.EnsureNetwork(t.Context(), b.cluster); err != nil {
		t.Fatal(err)
	}
	patchStatus(t, b.Client, pc, func() { pc.Status.Network = b.cluster.Network })
	b.instance, err = b.cloud.Create(t.Context(), b.cluster, machine.Machine{
		Name: "node", UID: "u-node", Pool: "workers", UserData: []byte("#cloud-config\n"),
		Provider: v1alpha1.Provider{AWS: &v1alpha1.AWSMachine{InstanceType: "t3.medium", DiskGiB: 50, DiskType: "gp3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	create(t, b.inside, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Spec: corev1.NodeSpec{ProviderID: b.instance.ProviderID}})
	b.step()
	return b
}

// start runs what the Deployment of the cloud controller manager would run, as the same user.
func (b *balancedTest) start() {
	b.Helper()
	for _, obj := range usercluster.Objects(usercluster.Input{Network: b.hc.Spec.Network}) {
		if obj.GetName() == usercluster.CloudControllerUser {
			create(b.T, b.inside, obj)
		}
	}
	user, err := b.env.AddUser(envtest.User{Name: usercluster.CloudControllerUser}, nil)
	if err != nil {
		b.Fatal(err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		b.Fatal(err)
	}
	files := b.secret(controlplane.AWSCloudController)
	files["kubeconfig"] = kubeconfig
	dir := b.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	container := b.container()
	here := strings.NewReplacer(container.VolumeMounts[0].MountPath, dir, "10258", freePort(b.T))
	cmd := exec.CommandContext(b.Context(), testenv.Command(b.T, container.Name, "/bin/"+container.Name))
	for _, arg := range append(container.Args, "--bind-address=127.0.0.1") {
		cmd.Args = append(cmd.Args, here.Replace(arg))
	}
	for _, e := range container.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+here.Replace(e.Value))
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Wait() // it was killed when the test ended
		if b.Failed() {
			b.Logf("the cloud controller manager says:\n%s", out.String())
		}
	})
}

// container is what the cluster's Deployment would run.
func (b *balancedTest) container() corev1.Container {
	b.Helper()
	objs := controlplane.Companions(controlplane.Input{Cluster: b.hc, CloudControllerChecksum: "any"})
	at := slices.IndexFunc(objs, func(o client.Object) bool { return o.GetName() == controlplane.AWSCloudController })
	return objs[at].(*appsv1.Deployment).Spec.Template.Spec.Containers[0]
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func TestLoadBalancersAtAWS(t *testing.T) {
	key := map[string][]byte{aws.KeyAccessKeyID: []byte(testcloud.AccessKeyID), aws.KeySecretAccessKey: []byte(testcloud.SecretAccessKey)}
	for name, more := range map[string]map[string][]byte{
		"by-key":  nil,
		"by-role": {aws.KeyRoleARN: []byte(testcloud.RoleARN), aws.KeyExternalID: []byte(testcloud.ExternalID)},
	} {
		t.Run(name, func(t *testing.T) {
			credentials := map[string][]byte{}
			for _, part := range []map[string][]byte{key, more} {
				for k, v := range part {
					credentials[k] = v
				}
			}
			b := newBalancedTest(t, name, credentials)
			b.start()
			service := create(t, b.inside, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
				Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}},
			})
			eventually(t, "the load balancer has a name", func(ctx context.Context) bool {
				err := b.inside.Get(ctx, client.ObjectKeyFromObject(service), service)
				ingress := service.Status.LoadBalancer.Ingress
				return err == nil && len(ingress) == 1 && strings.HasSuffix(ingress[0].Hostname, ".us-east-2.elb.amazonaws.com")
			})
			for _, instances := range b.account.Balancers() {
				if !slices.Equal(instances, []string{b.instance.ID}) {
					t.Errorf("the load balancer leads to %v, want %s", instances, b.instance.ID)
				}
			}
			b.delete()
			b.waits("waiting for the cloud to remove load balancer default/web (1 in all)")
			eventually(t, "the machines are next", func(context.Context) bool {
				return strings.Contains(b.step().Message, "the machines are to go")
			})
			if left := b.account.Balancers(); len(left) > 0 {
				t.Errorf("there are still load balancers: %v", left)
			}
			b.empty()
		})
	}
}

// empty takes the machine and the network away, and wants nothing to be left.
func (b *balancedTest) empty() {
	b.Helper()
	if err := b.cloud.Delete(b.Context(), b.cluster, b.instance); err != nil {
		b.Fatal(err)
	}
	eventually(b.T, "the network has gone", func(ctx context.Context) bool {
		_, err := b.cloud.List(ctx, b.cluster) // it goes when it is looked at
		left, errDelete := b.cloud.DeleteNetwork(ctx, b.cluster)
		return err == nil && errDelete == nil && len(left) == 0
	})
	if left := b.account.Left(); len(left) > 0 {
		b.Errorf("the cloud still has %v", left)
	}
}
