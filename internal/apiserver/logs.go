// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

const (
	// longestLog bounds what is sent of a log that is not followed, in bytes.
	longestLog = 16 << 20
	// longestFollow ends a log that is followed; who wants more comes back.
	longestFollow = time.Hour
)

type logsInput struct {
	Place    place
	Follow   bool  `query:"follow" doc:"Go on with what is written from now on, for an hour at the most."`
	Tail     int64 `query:"tailLines" minimum:"1" maximum:"10000" default:"200" doc:"With how many of the last lines to begin."`
	Previous bool  `query:"previous" doc:"The log of the run before, of a component that has ended."`
}

type logsOutput struct{ Body func(huma.Context) }

// serveLogs registers the logs of what runs on seeds.
func serveLogs(s *Server) {
	op := operation(http.MethodGet, "/projects/{project}/clusters/{cluster}/components/{name}/logs", "getComponentLogs", "Get the log of a component of a cluster's control plane")
	op.Description = "The name is one of " + strings.Join(controlplane.WithLogs(), ", ") + "; in a compact control plane the three that are one process have one log. " +
		"The answer is text, sixteen megabytes at the most, and with follow=true has no end until an hour is over, the component's pod is replaced, or your rights end: " +
		"ask again then. Needs the right to get clusters/logs."
	op.Responses = map[string]*huma.Response{"200": {Description: "Lines of text", Content: map[string]*huma.MediaType{
		logType: {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(s.api, op, func(ctx context.Context, in *logsInput) (*logsOutput, error) {
		log, err := s.openLog(ctx, in)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &logsOutput{Body: log.serve}, nil
	})
}

const logType = "text/plain; charset=utf-8"

// openedLog is a log that is about to be sent.
type openedLog struct {
	server *Server
	asked  *seedClient
	pod    *corev1.Pod
	opts   corev1.PodLogOptions
	right  Question
}

// openLog finds the pod, after it is known that the caller may see its log.
func (s *Server) openLog(ctx context.Context, in *logsInput) (*openedLog, error) {
	right := Question{
		Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Subresource: "logs",
		Namespace: v1alpha1.ProjectNamespacePrefix + in.Place.Project, Name: in.Place.Cluster,
	}
	if err := s.access.Check(ctx, right); err != nil {
		return nil, err
	}
	cluster, err := s.cluster(ctx, in.Place)
	if err != nil {
		return nil, err
	}
	source, ok := controlplane.LogOf(cluster.Status.ID, in.Place.Name)
	if !ok {
		p := problem(CodeNotFound, "no component %s runs on the seed", in.Place.Name)
		p.Hint = "There are logs of " + strings.Join(controlplane.WithLogs(), ", ") + "; kubectl logs shows those of what runs in the cluster."
		return nil, p
	}
	if cluster.Status.ID == "" {
		return nil, problem(CodeNotFound, "cluster %s has no control plane yet", cluster.Name)
	}
	asked, pod, err := s.podOf(ctx, cluster, source)
	if err != nil {
		logger(ctx).Error(err, "A seed could not be asked", "seed", cluster.Status.Seed)
		return nil, problem(CodeUnavailable, "seed %s: %s", cluster.Status.Seed, seedReason(err, "list pods"))
	}
	if pod == nil {
		return nil, problem(CodeNotFound, "cluster %s has no %s that runs", cluster.Name, in.Place.Name)
	}
	opts := corev1.PodLogOptions{Container: source.Container, Follow: in.Follow, TailLines: &in.Tail, Previous: in.Previous}
	if !in.Follow {
		opts.LimitBytes = new(int64(longestLog))
	}
	if err := s.streams.enter(callOf(ctx).user.GetName()); err != nil {
		return nil, err
	}
	return &openedLog{server: s, asked: asked, pod: pod, opts: opts, right: right}, nil
}

// podOf returns the newest pod with a log; nil: there is none.
func (s *Server) podOf(ctx context.Context, cluster *v1alpha1.Cluster, source controlplane.Log) (*seedClient, *corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, seedPatience)
	defer cancel()
	asked, err := s.seeds.client(ctx, s, cluster.Status.Seed)
	if err != nil {
		return nil, nil, err
	}
	pods, err := asked.kube.CoreV1().Pods(hostingv1alpha1.NamespacePrefix+cluster.Status.ID).List(ctx, metav1.ListOptions{
		LabelSelector: labels.SelectorFromSet(source.Pods).String(),
	})
	if err != nil {
		return nil, nil, err
	}
	var newest *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		has := slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == source.Container })
		if has && (newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp)) {
			newest = pod
		}
	}
	return asked, newest, nil
}

// serve sends the log until it ends, the client goes, or the caller may not see it any more.
func (l *openedLog) serve(hctx huma.Context) {
	r, w := humago.Unwrap(hctx)
	defer l.server.streams.leave(callOf(r.Context()).user.GetName())
	ctx, cancel := l.server.whileAllowed(r, l.right, longestFollow)
	defer cancel()
	stream, err := l.asked.kube.CoreV1().Pods(l.pod.Namespace).GetLogs(l.pod.Name, &l.opts).Stream(ctx)
	if err != nil {
		logger(ctx).Error(err, "A log could not be read", "pod", l.pod.Name)
		writeProblem(ctx, w, problem(CodeUnavailable, "the log cannot be read: %s", logReason(err, l.opts.Previous)))
		return
	}
	defer stream.Close()
	w.Header().Set("Content-Type", logType)
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	_ = control.Flush() // the client knows that it has begun
	if _, err := io.Copy(patientWriter{w, control}, stream); err != nil && ctx.Err() == nil && r.Context().Err() == nil {
		logger(ctx).V(1).Info("A log has ended early", "error", err.Error())
	}
}

// logReason says why there is no log, without what is nobody's business.
func logReason(err error, previous bool) string {
	if previous {
		return "there may have been no run before"
	}
	return seedReason(err, "read logs")
}

// patientWriter sends what is written at once, to a client that has to read it in time.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// Write sends.
func (p patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, p.control.Flush()
}

// errNotAllowed ends what somebody may not go on with.
var errNotAllowed = errors.New("your login or your rights have ended")

// whileAllowed returns a context of a request that ends when the caller's login or right does, when the server closes, or when it has
// taken too long.
func (s *Server) whileAllowed(r *http.Request, right Question, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(r.Context())
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it was open for %s", most))
	go func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.closing:
				end(errors.New("the server closes: come back"))
				return
			case <-ticker.C:
				response, ok, err := s.opts.Authenticator.AuthenticateRequest(r)
				allowed := err == nil && ok && response.User.GetName() == callOf(ctx).user.GetName()
				if allowed {
					if allowed, err = s.access.Allowed(ctx, right); err != nil {
						continue // nobody can say now; the next time somebody can
					}
				}
				if !allowed {
					end(errNotAllowed)
					return
				}
			}
		}
	}()
	return ctx, cancel
}
