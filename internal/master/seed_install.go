// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
)

const (
	// installTimeout bounds one installation, installRequestTimeout one request of it.
	installTimeout, installRequestTimeout = 3 * time.Minute, 30 * time.Second
	// installRetry is how long an installation is left alone that failed.
	installRetry = time.Minute
)

const (
	seedManagerName = "canopy-seed"
	gatewayName     = "canopy-gateway"
)

// Images are those that the master installs on seeds, with their tags.
type Images struct {
	// Server, NodeNetwork and OpenVPN are of the master's own release.
	Server, NodeNetwork, OpenVPN string
	// Prometheus and Alertmanager watch a seed.
	Prometheus, Alertmanager string
}

// install makes the seed what the master brings, if that is the master's to do.
func (r *SeedReconciler) install(ctx context.Context, before, seed *v1alpha1.Seed, to *remote) error {
	if !seed.IsManaged() {
		meta.RemoveStatusCondition(&seed.Status.Conditions, v1alpha1.ConditionInstalled)
		seed.Status.InstalledVersion = ""
		return nil
	}
	err := r.ensureInstalled(ctx, before, seed, to)
	setCondition(seed, v1alpha1.ConditionInstalled, v1alpha1.ReasonInstalled, err)
	if err == nil {
		seed.Status.InstalledVersion = install.Version
	}
	return err
}

func (r *SeedReconciler) ensureInstalled(ctx context.Context, before, seed *v1alpha1.Seed, to *remote) error {
	if r.Images.Server == "" || r.Images.NodeNetwork == "" || r.Images.OpenVPN == "" {
		return kube.Wait(v1alpha1.ReasonImagesUnknown, "the master does not know the images to install: start it with --server-image, --node-network-image and --openvpn-image", 0)
	}
	chart := install.Canopy(ChartValues(seed, r.Images))
	current, err := install.Current(ctx, to.config, chart)
	if err != nil {
		return kube.Wait(v1alpha1.ReasonInstallFailed, err.Error(), 0)
	}
	if current {
		_, err := to.api.AppsV1().Deployments(v1alpha1.SystemNamespace).Get(ctx, seedManagerName, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return nil // whatever else is wrong with it is not healed by another installation
		}
	}
	if last, ok := r.failures.Load(seed.Name); ok {
		if failure, ok := last.(installFailure); ok && failure.generation == seed.Generation && r.Clock.Since(failure.at) < installRetry {
			return failure.err
		}
	}
	select {
	case r.installing <- struct{}{}:
		defer func() { <-r.installing }()
	default:
		return kube.Wait(v1alpha1.ReasonInstalling, "it is its turn when another seed is done", 0)
	}
	setCondition(seed, v1alpha1.ConditionInstalled, "", kube.Wait(v1alpha1.ReasonInstalling, "Canopy "+install.Version+" is being installed", 0))
	if err := r.recordNow(ctx, before, seed); err != nil {
		return err
	}
	if err := runInstall(ctx, to, chart); err != nil {
		var waiting *kube.WaitingError
		if !errors.As(err, &waiting) {
			err = kube.Wait(v1alpha1.ReasonInstallFailed, err.Error(), 0)
		}
		r.failures.Store(seed.Name, installFailure{err, seed.Generation, r.Clock.Now()})
		return err
	}
	r.failures.Delete(seed.Name)
	return nil
}

// installFailure is remembered to save work: another master tries again at once.
type installFailure struct {
	err        error
	generation int64
	at         time.Time
}

// recordNow writes the status before something that takes its time.
func (r *SeedReconciler) recordNow(ctx context.Context, before, seed *v1alpha1.Seed) error {
	if err := kube.PatchStatus(ctx, r.Client, before, seed); err != nil {
		return err
	}
	seed.DeepCopyInto(before)
	return nil
}

// runInstall runs Helm, which takes some ten megabytes for a moment. They are given back.
func runInstall(ctx context.Context, to *remote, chart install.Chart) error {
	defer debug.FreeOSMemory()
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	objs, err := chart.Render(ctx)
	if err != nil {
		return err
	}
	rights, err := install.RightsFor(objs)
	if err != nil {
		return err
	}
	denied, err := install.Denied(ctx, to.api, rights)
	if err != nil {
		return err
	}
	if len(denied) > 0 {
		return kube.Wait(v1alpha1.ReasonMissingPermission, missingPermission(denied), 0)
	}
	return install.Run(ctx, forInstall(to.config), chart)
}

func forInstall(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS, config.Timeout = -1, installRequestTimeout
	return config
}

// uninstall takes away what the master has installed, and with the namespace what `canopy seed add` has made there. The
// kinds stay.
func (r *SeedReconciler) uninstall(ctx context.Context, before, seed *v1alpha1.Seed, to *remote) error {
	c, err := client.New(forInstall(to.config), client.Options{Scheme: kube.Scheme()})
	if err != nil {
		return err
	}
	if err := refuseWhileUsed(ctx, c); err != nil {
		return err
	}
	setCondition(seed, v1alpha1.ConditionInstalled, "", kube.Wait(v1alpha1.ReasonUninstalling, "Canopy is being uninstalled", 0))
	if err := r.recordNow(ctx, before, seed); err != nil {
		return err
	}
	defer debug.FreeOSMemory()
	if err := install.Uninstall(ctx, forInstall(to.config), install.Canopy(nil)); err != nil {
		return err
	}
	// With the namespace goes the account that the master is there.
	setCondition(seed, v1alpha1.ConditionInstalled, "", kube.Wait(v1alpha1.ReasonUninstalled, "Canopy is uninstalled", 0))
	if err := r.recordNow(ctx, before, seed); err != nil {
		return err
	}
	return r.leave(ctx, seed, c)
}

// leave takes the master's account away: with the namespace, if that was made for it, alone otherwise.
func (r *SeedReconciler) leave(ctx context.Context, seed *v1alpha1.Seed, c client.Client) error {
	ns := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, ns); err != nil {
		return client.IgnoreNotFound(err)
	}
	if ns.Labels[v1alpha1.LabelManagedBy] != "" {
		return kube.Delete(ctx, c, ns)
	}
	if err := r.release(ctx, seed); err != nil {
		return err
	}
	return kube.Delete(ctx, c, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: install.MasterAccount, Namespace: ns.Name}})
}

// refuseWhileUsed fails while there are HostedClusters, of whomever, that nobody would look after any more.
func refuseWhileUsed(ctx context.Context, c client.Client) error {
	hosted := &hostingv1alpha1.HostedClusterList{}
	err := c.List(ctx, hosted)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil // the kinds were never installed
	}
	if err != nil {
		return fmt.Errorf("looking for clusters on the seed: %w", err)
	}
	if len(hosted.Items) == 0 {
		return nil
	}
	names := make([]string, 0, len(hosted.Items))
	for i := range hosted.Items {
		names = append(names, hosted.Items[i].Name)
	}
	return kube.Wait(v1alpha1.ReasonInUse, fmt.Sprintf("it has %d HostedClusters that are no Cluster's of this master: delete %s there, or set spec.install to Manual to leave all there as it is", len(names), kube.Few(names)), 0)
}

// uninstalled reports whether all was taken away, so that nothing there knows the master any more.
func uninstalled(seed *v1alpha1.Seed) bool {
	installed := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionInstalled)
	return installed != nil && installed.Reason == v1alpha1.ReasonUninstalled
}

// ChartValues turns a Seed into the values of the chart; what the seed does not say is the chart's.
func ChartValues(seed *v1alpha1.Seed, images Images) map[string]any {
	spec := seed.Spec
	manager := object{"address": spec.Address, "registryMirror": spec.RegistryMirror, "reservedCIDRs": anyOf(spec.ReservedCIDRs)}
	manager.set("proxy", object{"http": spec.Proxy.HTTP, "https": spec.Proxy.HTTPS, "no": spec.Proxy.No})
	manager.setIf(spec.Defaults.ExposeStrategy != "", "exposeStrategy", string(spec.Defaults.ExposeStrategy))
	manager.setIf(spec.Monitoring.Alertmanager != "", "alertmanager", spec.Monitoring.Alertmanager)
	if spec.Manager.Replicas != nil {
		manager["replicas"] = int64(*spec.Manager.Replicas)
	}
	if spec.Manager.Resources != nil {
		manager["resources"] = resourceValues(spec.Manager.Resources)
	}
	return map[string]any{
		"image": images.Server, "nodeNetworkImage": images.NodeNetwork, "openvpnImage": images.OpenVPN,
		"master":     map[string]any{"enabled": false},
		"seed":       map[string]any(manager),
		"gateway":    gatewayValues(spec.Gateway),
		"monitoring": monitoringValues(spec.Monitoring, images),
	}
}

func gatewayValues(gateway *v1alpha1.SeedGateway) map[string]any {
	if gateway == nil {
		return map[string]any{"domain": ""}
	}
	service := object{"type": string(gateway.ServiceType), "port": int64(gateway.Port)}
	service.setIf(gateway.NodePort != 0, "nodePort", int64(gateway.NodePort))
	if len(gateway.Annotations) > 0 {
		annotations := map[string]any{}
		for key, value := range gateway.Annotations {
			annotations[key] = value
		}
		service["annotations"] = annotations
	}
	return map[string]any{"domain": gateway.Domain, "address": gateway.Address, "replicas": int64(gateway.Replicas), "service": map[string]any(service)}
}

func monitoringValues(m v1alpha1.SeedMonitoring, images Images) map[string]any {
	prometheus := object{"image": images.Prometheus}
	prometheus.setIf(m.Retention != "", "retention", m.Retention)
	prometheus.setIf(m.StorageClassName != "", "storageClassName", m.StorageClassName)
	if m.Storage != nil {
		prometheus["storage"] = m.Storage.String()
	}
	return map[string]any{
		"enabled": !m.Disabled, "prometheus": map[string]any(prometheus), "alertmanager": map[string]any{"image": images.Alertmanager},
	}
}

func resourceValues(r *corev1.ResourceRequirements) map[string]any {
	of := func(amounts corev1.ResourceList) map[string]any {
		values := map[string]any{}
		for name, amount := range amounts {
			values[string(name)] = amount.String()
		}
		return values
	}
	values := object{}
	values.setIf(len(r.Requests) > 0, "requests", of(r.Requests))
	values.setIf(len(r.Limits) > 0, "limits", of(r.Limits))
	return values
}

// object is one of the chart's values.
type object map[string]any

func (o object) set(name string, value object) { o[name] = map[string]any(value) }

func (o object) setIf(condition bool, name string, value any) {
	if condition {
		o[name] = value
	}
}

func anyOf(values []string) []any {
	all := make([]any, 0, len(values))
	for _, value := range values {
		all = append(all, strings.TrimSpace(value))
	}
	return all
}

// PlaceholderImages returns images for a look at what would be installed, where only their number counts.
func PlaceholderImages() Images {
	const image = "registry.example.com/image:tag"
	return Images{Server: image, NodeNetwork: image, OpenVPN: image, Prometheus: image, Alertmanager: image}
}
