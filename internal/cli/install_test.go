// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/testenv"
)

// valuesYAML are values of an installation that is master and seed at once.
const valuesYAML = `
image: server:1
nodeNetworkImage: node-network:1
openvpnImage: openvpn:1
seed: {address: 192.0.2.1}
monitoring: {prometheus: {image: "prometheus:1"}, alertmanager: {image: "alertmanager:1"}}
`

// installTest is a Kubernetes without anything, in which commands install Canopy.
type installTest struct {
	*testing.T
	client.WithWatch
	config             *rest.Config
	kubeconfig, values string
}

func newInstallTest(t *testing.T) *installTest {
	t.Helper()
	env := testenv.Start(t, func(e *envtest.Environment) { e.CRDDirectoryPaths = nil })
	c, err := newClient(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: env.Config.Host, CertificateAuthorityData: env.Config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: env.Config.CertData, ClientKeyData: env.Config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	i := &installTest{T: t, WithWatch: c, config: env.Config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), values: filepath.Join(t.TempDir(), "values.yaml")}
	for path, content := range map[string][]byte{i.kubeconfig: kubeconfig, i.values: []byte(valuesYAML)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}
	i.create(node, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "disk", Annotations: map[string]string{kube.DefaultStorageClassAnnotation: "true"}}, Provisioner: "example.com/disk",
	})
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.1"}}
	if err := i.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	go i.runDeployments()
	return i
}

// runDeployments says of each Deployment that it runs, until the test ends: there are no nodes.
func (i *installTest) runDeployments() {
	watcher, err := i.Watch(i.Context(), &appsv1.DeploymentList{})
	if err != nil {
		return
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		d, ok := event.Object.(*appsv1.Deployment)
		if !ok || d.Status.ObservedGeneration == d.Generation {
			continue
		}
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		_ = i.Status().Update(i.Context(), d) // one that changes meanwhile comes again
	}
}

func (i *installTest) create(objs ...client.Object) {
	i.Helper()
	for _, obj := range objs {
		if err := i.Create(i.Context(), obj); err != nil {
			i.Fatalf("creating %T %s: %v", obj, obj.GetName(), err)
		}
	}
}

// run runs `canopy install` with arguments, and returns what it prints.
func (i *installTest) run(args ...string) (string, error) {
	i.Helper()
	var out bytes.Buffer
	cmd := newInstallCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "--kubeconfig", i.kubeconfig, "--timeout", "2m"))
	err := cmd.ExecuteContext(i.Context())
	return out.String(), err
}

// must runs a command that succeeds, and looks for parts of what it prints.
func (i *installTest) must(args []string, parts ...string) {
	i.Helper()
	out, err := i.run(args...)
	if err != nil {
		i.Fatalf("canopy install %v: %v\n%s", args, err, out)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			i.Errorf("canopy install %v does not say %q:\n%s", args, part, out)
		}
	}
}

// refused runs a command that fails, and says why.
func (i *installTest) refused(why string, args ...string) {
	i.Helper()
	out, err := i.run(args...)
	if err == nil || !strings.Contains(err.Error(), why) {
		i.Fatalf("canopy install %v: want it to be refused with %q, got %v\n%s", args, why, err, out)
	}
}

// older returns the chart as the version before could have been: without a kind and without a field that there are today,
// and with an object that there is no more.
func older(t *testing.T, version string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(deploy.Chart(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(deploy.Chart(), path)
		files[path] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	about := files["Chart.yaml"]
	about.Data = bytes.ReplaceAll(about.Data, []byte("ersion: "+install.Version), []byte("ersion: "+version))
	delete(files, "files/crds/canopy.dev_clustersets.yaml")
	var crd map[string]any
	clusters := files["files/crds/canopy.dev_clusters.yaml"]
	if err := yaml.Unmarshal(clusters.Data, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
	for _, v := range versions {
		unstructured.RemoveNestedField(v.(map[string]any), "schema", "openAPIV3Schema", "properties", "spec", "properties", "maintenance")
		unstructured.RemoveNestedField(v.(map[string]any), "schema", "openAPIV3Schema", "properties", "status", "properties", "targetVersion")
	}
	if err := unstructured.SetNestedSlice(crd, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	if clusters.Data, err = yaml.Marshal(crd); err != nil {
		t.Fatal(err)
	}
	files["templates/old.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: canopy-old, namespace: canopy-system}\n")}
	return files
}

// installVersion installs another version as its own command would.
func (i *installTest) installVersion(version string) {
	i.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(valuesYAML), &values); err != nil {
		i.Fatal(err)
	}
	if err := apply(i.Context(), i, install.Namespace()); err != nil {
		i.Fatal(err)
	}
	chart := install.Canopy(values)
	chart.Files = older(i.T, version)
	if err := install.Run(i.Context(), i.config, chart); err != nil {
		i.Fatal(err)
	}
}

const project, namespace = "shop", "project-shop"

// fill makes objects of all kinds that people make, as they are when a cluster runs.
func (i *installTest) fill() {
	i.Helper()
	i.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{v1alpha1.LabelProject: project}}},
		&v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "olga"}, Spec: v1alpha1.UserSpec{Email: "olga@example.com"}},
		&v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: project}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{{Kind: v1alpha1.MemberUser, Name: "olga@example.com", Role: v1alpha1.RoleOwner}}}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{"key": []byte("hunter2")}},
		&v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "preset"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: "credentials"}},
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "local"}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Spec: v1alpha1.DatacenterSpec{Seed: "local", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}},
		&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}},
		&v1alpha1.SSHKey{ObjectMeta: metav1.ObjectMeta{Name: "olga", Namespace: namespace}, Spec: v1alpha1.SSHKeySpec{PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3vOzMeS6PUIHLBUbFQTsGGtdg+vXgnmfCDDUuGZKVL olga"}},
	)
	cluster := &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, Finalizers: []string{v1alpha1.FinalizerCluster}},
		Spec:       v1alpha1.ClusterSpec{Datacenter: "local", Version: "1.37.2", Preset: "preset"},
	}
	i.create(cluster, &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: namespace}, Spec: v1alpha1.NodePoolSpec{
		Cluster: "web", MachinePool: v1alpha1.MachinePool{Replicas: new(int32(2)), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}},
	}})
	cluster.Status.Seed, cluster.Status.ID = "local", "abcdefghij"
	if err := i.Status().Update(i.Context(), cluster); err != nil {
		i.Fatal(err)
	}
	labels := map[string]string{hostingv1alpha1.LabelCluster: "abcdefghij", v1alpha1.LabelProject: project, v1alpha1.LabelCluster: "web", v1alpha1.LabelManagedBy: "abcdefghij"}
	i.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "cluster-abcdefghij", Labels: labels}},
		&hostingv1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: "abcdefghij", Namespace: "cluster-abcdefghij", Labels: labels}, Spec: hostingv1alpha1.HostedClusterSpec{Version: "1.37.2"}},
	)
}

// there returns the specs of all objects of Canopy's kinds by what identifies them.
func (i *installTest) there() map[string]any {
	i.Helper()
	found := map[string]any{}
	for gvk := range i.Scheme().AllKnownTypes() {
		if gvk.Group != v1alpha1.GroupVersion.Group && gvk.Group != hostingv1alpha1.GroupVersion.Group || !i.Scheme().Recognizes(gvk.GroupVersion().WithKind(gvk.Kind+"List")) {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := i.List(i.Context(), list); err != nil {
			if isUnknownKind(err) {
				continue
			}
			i.Fatal(err)
		}
		for _, item := range list.Items {
			found[gvk.Kind+" "+item.GetNamespace()+"/"+item.GetName()+" "+string(item.GetUID())] = item.Object["spec"]
		}
	}
	return found
}

func (i *installTest) eventually(what string, done func(context.Context) bool) {
	i.Helper()
	err := wait.PollUntilContextTimeout(i.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) { return done(ctx), nil })
	if err != nil {
		i.Fatalf("waited in vain: %s", what)
	}
}

// TestInstallation goes from the version before to this one with all that people have made, and then takes it all away.
func TestInstallation(t *testing.T) {
	i := newInstallTest(t)
	i.refused("there is no Canopy in this cluster", "status")
	i.installVersion("0.0.9")
	i.fill()
	before := i.there()
	if len(before) != 10 {
		t.Fatalf("%d objects were made: %v", len(before), before)
	}

	i.refused("this command has "+install.Version+": canopy install apply upgrades", "status")
	i.must(
		[]string{"plan", "-f", i.values},
		"ok       installed version: 0.0.9, which becomes "+install.Version,
		"+ CustomResourceDefinition clustersets.canopy.dev\n", "~ CustomResourceDefinition clusters.canopy.dev\n", "- ConfigMap canopy-system/canopy-old\n",
		"Nothing was written",
	)
	if err := i.List(t.Context(), &v1alpha1.ClusterSetList{}); !isUnknownKind(err) {
		t.Errorf("the plan has made a kind: %v", err)
	}
	i.must([]string{"apply", "-f", i.values}, "Canopy "+install.Version+" runs")
	if diff := cmp.Diff(before, i.there()); diff != "" {
		t.Errorf("after the upgrade (-before +after):\n%s", diff)
	}
	i.must([]string{"status"}, "Canopy "+install.Version+", revision 2, deployed", "canopy-master: runs", "1 user clusters are hosted here")
	i.must([]string{"plan", "-f", i.values}, "\n0 to create, 0 to change, 0 to delete.")
	i.isReconciled()
	i.isTakenAway()
}

// isReconciled runs this version's master on what the one before has left.
func (i *installTest) isReconciled() {
	i.Helper()
	ctx, stop := context.WithCancel(i.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- master.Run(ctx, i.config, master.Options{HealthAddress: "0", MetricsAddress: "0", Workers: 2, ProbePeriod: time.Second})
	}()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace}}
	i.eventually("the Cluster is handed to the seed anew", func(ctx context.Context) bool {
		return i.Get(ctx, client.ObjectKeyFromObject(cluster), cluster) == nil && cluster.Status.TargetVersion == "1.37.2"
	})
	hosted := &hostingv1alpha1.HostedClusterList{}
	i.eventually("it has its pool and its owner there, and is the one that it was", func(ctx context.Context) bool {
		return i.List(ctx, hosted) == nil && len(hosted.Items) == 1 && len(hosted.Items[0].Spec.NodePools) == 1 && len(hosted.Items[0].Spec.Access) == 1
	})
	i.eventually("the Project is ready", func(ctx context.Context) bool {
		p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: project}}
		return i.Get(ctx, client.ObjectKeyFromObject(p), p) == nil && meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady)
	})
	i.eventually("the new field can be used", func(ctx context.Context) bool {
		if err := i.Get(ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
			return false
		}
		cluster.Spec.Maintenance.AutoUpgrade = v1alpha1.AutoUpgradePatch
		return i.Update(ctx, cluster) == nil && cluster.Spec.Maintenance.AutoUpgrade == v1alpha1.AutoUpgradePatch
	})
	stop()
	if err := <-ended; err != nil {
		i.Error(err)
	}
}

// isTakenAway uninstalls: first refused, then with all that people have made kept, and at last with that as well.
func (i *installTest) isTakenAway() {
	i.Helper()
	i.refused("there are 1 user clusters: abcdefghij. Delete them first", "uninstall")
	i.deleteNow(&hostingv1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: "abcdefghij", Namespace: "cluster-abcdefghij"}})
	i.refused("there are 1 Clusters, such as web of project-shop. Delete them first", "uninstall")
	i.deleteNow(&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace}})
	remote := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "eu", Address: "192.0.2.9"}}
	i.create(remote)
	i.refused("this is the master of seed eu: remove it first (canopy seed remove eu)", "uninstall")
	i.deleteNow(remote)

	before := i.there()
	i.must([]string{"uninstall"}, "this is still there: the kinds with all objects of them")
	for _, obj := range []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "canopy-master", Namespace: v1alpha1.SystemNamespace}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "canopy-seed", Namespace: v1alpha1.SystemNamespace}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "canopy-master"}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "canopy-seed"}},
	} {
		if err := i.Get(i.Context(), client.ObjectKeyFromObject(obj), obj); !apierrors.IsNotFound(err) {
			i.Errorf("%T %s, which the chart has made, is still there: %v", obj, obj.GetName(), err)
		}
	}
	if diff := cmp.Diff(before, i.there()); diff != "" {
		i.Errorf("what people have made (-before +after):\n%s", diff)
	}
	i.must([]string{"apply", "-f", i.values})
	if diff := cmp.Diff(before, i.there()); diff != "" {
		i.Errorf("installed again (-before +after):\n%s", diff)
	}

	i.must([]string{"uninstall", "--delete-data"}, "projects.canopy.dev: 1 deleted", "Nothing of Canopy is left")
	if left := i.there(); len(left) > 0 {
		i.Errorf("left are %v", left)
	}
	i.eventually("the kinds are gone", func(ctx context.Context) bool {
		crds := &unstructured.UnstructuredList{}
		crds.SetAPIVersion("apiextensions.k8s.io/v1")
		crds.SetKind("CustomResourceDefinitionList")
		return i.List(ctx, crds) == nil && len(crds.Items) == 0
	})
	for _, name := range []string{v1alpha1.SystemNamespace, namespace} {
		ns := &corev1.Namespace{}
		if err := i.Get(i.Context(), client.ObjectKey{Name: name}, ns); err != nil || ns.DeletionTimestamp.IsZero() {
			i.Errorf("the namespace %s stays (%v)", name, err)
		}
	}
}

// deleteNow deletes an object as if its controllers had finished.
func (i *installTest) deleteNow(obj client.Object) {
	i.Helper()
	none := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := i.Patch(i.Context(), obj, none); err != nil {
		i.Fatal(err)
	}
	if err := client.IgnoreNotFound(i.Delete(i.Context(), obj)); err != nil {
		i.Fatal(err)
	}
}

func TestInstallationOfAnOlderVersionIsRefused(t *testing.T) {
	i := newInstallTest(t)
	i.installVersion("0.2.0")
	for _, command := range []string{"plan", "apply"} {
		i.refused("installed version: 0.2.0 is installed, and "+install.Version+" is older: Canopy does not go back", command, "-f", i.values)
	}
	if installed, err := install.Installed(t.Context(), i.config); err != nil || installed.Version != "0.2.0" || installed.Revision != 1 {
		t.Errorf("installed: %+v, %v", installed, err)
	}
}
