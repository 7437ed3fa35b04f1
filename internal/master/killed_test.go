// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// errKilled is what a call meets at which the master is killed, and every later one of the same process.
var errKilled = errors.New("killed")

// mortalMaster is a master that can be killed at a call to the API, before the call does anything. It is a seed itself, so
// that all its calls go the same way.
type mortalMaster struct {
	died chan struct{}
	stop func()

	mu    sync.Mutex
	left  int // calls until it dies; negative: it does not
	calls int
	dead  bool
}

// aboutClusters are the paths of the calls that count: those about the project of the test, and clusters on the seed. What
// else a master asks, such as how its seeds are, does not depend on how far a cluster has come.
var aboutClusters = regexp.MustCompile(`/namespaces/(project-killed|cluster-[a-z][a-z0-9]{9})(/|$)`)

func startMortal(t *testing.T) *mortalMaster {
	t.Helper()
	m := &mortalMaster{died: make(chan struct{}), left: -1}
	m.stop = runMaster(t, func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if !m.survives(req) {
					return nil, errKilled
				}
				return next.RoundTrip(req)
			})
		})
	})
	return m
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func (m *mortalMaster) survives(req *http.Request) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead || !aboutClusters.MatchString(req.URL.Path) || req.URL.Query().Get("watch") != "" {
		return !m.dead
	}
	m.calls++
	if m.left == 0 {
		m.dead = true
		close(m.died)
		return false
	}
	m.left--
	return true
}

// dieAfter makes the master die at the call after the next n, and forgets those that it has made.
func (m *mortalMaster) dieAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.calls = n, 0
}

// made returns how many calls there were since dieAfter, with the one at which it died, and whether it did.
func (m *mortalMaster) made() (calls int, died bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls, m.dead
}

// killing is a test that kills one master after the other.
type killing struct {
	*testing.T

	api    client.WithWatch
	master *mortalMaster
}

// through does something to a cluster, kills the master at the call after the next n unless it is done before, and waits until
// this master or the next one is done. It returns whether the master was killed.
func (k *killing) through(n int, what string, do func(), done func(context.Context) bool) bool {
	k.Helper()
	k.master.dieAfter(n)
	do()
	eventually(k.T, what, func(ctx context.Context) bool {
		_, died := k.master.made()
		return died || done(ctx)
	})
	calls, died := k.master.made()
	if !died {
		k.Logf("%s takes %d calls", what, calls)
		return false
	}
	k.master.stop()
	k.master = startMortal(k.T)
	eventually(k.T, fmt.Sprintf("%s, of which the first %d calls were another master's", what, n), done)
	return true
}

// placed returns what there is of a cluster on the seed, whoever made it.
func (k *killing) placed(ctx context.Context, name string) (hosted []hostingv1alpha1.HostedCluster, namespaces []corev1.Namespace) {
	k.Helper()
	of := client.MatchingLabels{v1alpha1.LabelProject: "killed", v1alpha1.LabelCluster: name}
	hcs, list := &hostingv1alpha1.HostedClusterList{}, &corev1.NamespaceList{}
	if err := errors.Join(k.api.List(ctx, hcs, of), k.api.List(ctx, list, of)); err != nil {
		k.Fatal(err)
	}
	return hcs.Items, list.Items
}

// TestKilledAtEachCall kills the master at each call of the creation and of the deletion of a cluster in turn. However far it came,
// the next master finishes: nothing is made twice, lost, or left.
func TestKilledAtEachCall(t *testing.T) {
	k := &killing{T: t, api: newClient(t, &masterConfig)}
	k.setUp()
	for n, making, deleting := 0, true, true; making || deleting; n++ {
		cluster := &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c%d", n), Namespace: "project-killed"},
			Spec:       v1alpha1.ClusterSpec{Datacenter: "killed", Preset: "killed", Version: "1.37.2"},
		}
		pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: cluster.Name, Namespace: cluster.Namespace}}
		pool.Spec.Cluster, pool.Spec.Provider.Local = cluster.Name, &hostingv1alpha1.LocalMachine{}
		making = k.through(n, "making a cluster", func() { create(t, k.api, pool); create(t, k.api, cluster) }, func(ctx context.Context) bool {
			return k.isMade(ctx, cluster, pool)
		})
		k.isOne(cluster)
		deleting = k.through(n, "deleting a cluster", func() {
			if err := k.api.Delete(t.Context(), cluster); err != nil {
				t.Fatal(err)
			}
		}, func(ctx context.Context) bool { return k.isGone(ctx, cluster) })
		if hosted, namespaces := k.placed(t.Context(), cluster.Name); len(hosted)+len(namespaces) > 0 {
			t.Fatalf("killed at call %d: left are %v and %v", n+1, hosted, namespaces)
		}
		if err := k.api.Delete(t.Context(), pool); err != nil { // as the garbage collector would
			t.Fatal(err)
		}
		if least := 6; !making && n < least || !deleting && n < least {
			t.Fatalf("there were %d calls only: the test does not see all", n)
		}
	}
}

func (k *killing) setUp() {
	k.Helper()
	ensureNamespace(k.T, k.api, v1alpha1.SystemNamespace)
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}}
	if err := client.IgnoreAlreadyExists(k.api.Create(k.Context(), release)); err != nil {
		k.Fatal(err)
	}
	installRoles(k.T, k.api)
	for _, obj := range []client.Object{
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "killed"}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "killed"}, Spec: v1alpha1.DatacenterSpec{Seed: "killed", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "killed", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{"token": []byte("t")}},
		&v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "killed"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: "killed"}},
		&v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "killed"}},
	} {
		purge(k.T, k.api, create(k.T, k.api, obj))
	}
	k.master = startMortal(k.T)
	eventually(k.T, "the project", func(ctx context.Context) bool {
		project := &v1alpha1.Project{}
		return k.api.Get(ctx, client.ObjectKey{Name: "killed"}, project) == nil && meta.IsStatusConditionTrue(project.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// isMade reports whether all of a cluster is on the seed and what the seed is to say first has come back.
func (k *killing) isMade(ctx context.Context, cluster *v1alpha1.Cluster, pool *v1alpha1.NodePool) bool {
	k.Helper()
	get(k.T, k.api, cluster)
	get(k.T, k.api, pool)
	ready, poolReady := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Message != "waiting for the seed to begin" || poolReady == nil || poolReady.Message != "waiting for Cluster "+cluster.Name+": "+ready.Message {
		return false
	}
	hosted, _ := k.placed(ctx, cluster.Name)
	key := client.ObjectKey{Namespace: hostingv1alpha1.NamespacePrefix + cluster.Status.ID, Name: hostingv1alpha1.SecretCredentials}
	return len(hosted) > 0 && len(hosted[0].Spec.NodePools) == 1 && len(pool.OwnerReferences) == 1 && k.api.Get(ctx, key, &corev1.Secret{}) == nil
}

// isOne fails the test unless there is one HostedCluster and one namespace of the cluster, those of its id.
func (k *killing) isOne(cluster *v1alpha1.Cluster) {
	k.Helper()
	hosted, namespaces := k.placed(k.Context(), cluster.Name)
	if len(hosted) != 1 || hosted[0].Name != cluster.Status.ID || len(namespaces) != 1 || namespaces[0].Name != hosted[0].Namespace {
		k.Fatalf("the cluster's id is %s; on the seed are %v and %v", cluster.Status.ID, hosted, namespaces)
	}
}

// isGone reports whether the Cluster is gone, and does what a namespace controller would.
func (k *killing) isGone(ctx context.Context, cluster *v1alpha1.Cluster) bool {
	k.Helper()
	_, namespaces := k.placed(ctx, cluster.Name)
	for i := range namespaces {
		if ns := &namespaces[i]; !ns.DeletionTimestamp.IsZero() {
			ns.Spec.Finalizers = nil
			if err := k.api.SubResource("finalize").Update(ctx, ns); client.IgnoreNotFound(err) != nil {
				k.Fatal(err)
			}
		}
	}
	return apierrors.IsNotFound(k.api.Get(ctx, client.ObjectKeyFromObject(cluster), &v1alpha1.Cluster{}))
}
