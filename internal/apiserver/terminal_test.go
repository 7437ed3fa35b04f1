// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/shell"
)

// echo is a shell that shows what is typed.
type echo struct {
	opened chan shell.Options
	size   chan remotecommand.TerminalSize
	closed chan struct{}
}

func (e *echo) open(_ context.Context, opts shell.Options) (shellSession, error) {
	e.opened <- opts
	return e, nil
}

func (e *echo) Run(ctx context.Context, streams shell.Streams) error {
	e.size <- *streams.Size.Next()
	go func() { _, _ = io.Copy(streams.Out, streams.In) }()
	<-ctx.Done()
	return ctx.Err()
}

func (e *echo) Close(context.Context) { close(e.closed) }

// signs plays the master and the cluster: it signs one certificate.
func signs(t *testing.T, namespace string) <-chan v1alpha1.AccessRequestSpec {
	t.Helper()
	signed := make(chan v1alpha1.AccessRequestSpec, 1)
	watcher, err := shared.kube.Watch(t.Context(), &v1alpha1.AccessRequestList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer watcher.Stop()
		for event := range watcher.ResultChan() {
			request, ok := event.Object.(*v1alpha1.AccessRequest)
			if !ok || request.Status.Certificate != "" {
				continue
			}
			before := request.DeepCopy()
			request.Status.Certificate = "a certificate"
			if err := shared.kube.Status().Patch(context.WithoutCancel(t.Context()), request, client.MergeFrom(before)); err != nil {
				t.Errorf("signing: %v", err)
			}
			signed <- request.Spec
			return
		}
	}()
	return signed
}

func dial(t *testing.T, path, token string) (*websocket.Conn, *http.Response) {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), shared.url+path, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil && resp == nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return conn, resp
}

// message returns the next one.
func message(t *testing.T, conn *websocket.Conn) (m TerminalMessage, shown string) {
	t.Helper()
	kind, content, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if kind == websocket.MessageBinary {
		return m, string(content)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	return m, ""
}

func TestATerminalIsAShellOfThePersonItself(t *testing.T) {
	ed := v1alpha1.Member{Name: "ed@shell.example.com", Role: v1alpha1.RoleEditor}
	vera := v1alpha1.Member{Name: "vera@shell.example.com", Role: v1alpha1.RoleViewer}
	robot := v1alpha1.Member{Kind: v1alpha1.MemberServiceAccount, Namespace: "project-shell", Name: "robot", Role: v1alpha1.RoleEditor}
	shared.project(t, "shell", ed, vera)
	shared.patch(t, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shell"}}, `{"spec":{"members":[
		{"kind":"User","namespace":"","name":"`+ed.Name+`","role":"Editor"},{"kind":"User","namespace":"","name":"`+vera.Name+`","role":"Viewer"},
		{"kind":"ServiceAccount","namespace":"project-shell","name":"`+robot.Name+`","role":"Editor"}]}}`)
	placed(t, "shell", "shop", "far", "defghijklm", vera.Name)
	reachable := &v1alpha1.Cluster{}
	if err := shared.kube.Get(t.Context(), client.ObjectKey{Namespace: "project-shell", Name: "shop"}, reachable); err != nil {
		t.Fatal(err)
	}
	before := reachable.DeepCopy()
	reachable.Status.Endpoint, reachable.Status.CertificateAuthority, reachable.Status.Version = "https://192.0.2.1:30000", "an authority", "1.37.2"
	if err := shared.kube.Status().Patch(t.Context(), reachable, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/projects/shell/clusters/shop/terminal"
	eventually(t, "the server knows where the cluster is", func(context.Context) bool {
		return shared.as(t, ed.Name).get(path).StatusCode == http.StatusBadRequest
	})
	fake := &echo{make(chan shell.Options, 1), make(chan remotecommand.TerminalSize, 1), make(chan struct{})}
	shared.openShell = fake.open
	defer func() { shared.openShell = openRealShell }()

	t.Run("who may not run pods in the cluster, and who is no person, gets none", func(t *testing.T) {
		for _, who := range []string{vera.Name, "nobody@example.com", "system:serviceaccount:project-shell:robot"} {
			shared.as(t, who).get(path, "Upgrade", "websocket").isProblem(t, CodeForbidden)
		}
	})
	t.Run("a certificate is for oneself, by the right to a terminal, with any client", func(t *testing.T) {
		for name, tc := range map[string]struct {
			who    string
			groups []string
			change func(*v1alpha1.AccessRequestSpec)
			want   func(error) bool
		}{
			"an editor":               {ed.Name, []string{"staff"}, func(*v1alpha1.AccessRequestSpec) {}, func(err error) bool { return err == nil }},
			"a group of others":       {ed.Name, []string{"others"}, func(*v1alpha1.AccessRequestSpec) {}, apierrors.IsForbidden},
			"a viewer":                {vera.Name, []string{"staff"}, func(*v1alpha1.AccessRequestSpec) {}, apierrors.IsForbidden},
			"somebody else":           {ed.Name, []string{"staff"}, func(s *v1alpha1.AccessRequestSpec) { s.User = "olga@shell.example.com" }, apierrors.IsForbidden},
			"more than an hour":       {ed.Name, []string{"staff"}, func(s *v1alpha1.AccessRequestSpec) { s.TTL = "2h" }, apierrors.IsInvalid},
			"a group of the platform": {ed.Name, []string{"staff"}, func(s *v1alpha1.AccessRequestSpec) { s.Groups = []string{"canopy:admins"} }, apierrors.IsInvalid},
		} {
			config := rest.CopyConfig(&kubeConfig)
			config.Impersonate = rest.ImpersonationConfig{UserName: tc.who, Groups: tc.groups}
			as, err := client.New(config, client.Options{Scheme: Scheme(), Mapper: shared.kube.RESTMapper()})
			if err != nil {
				t.Fatal(err)
			}
			spec := v1alpha1.AccessRequestSpec{Cluster: "shop", User: tc.who, Groups: []string{"staff"}, Role: v1alpha1.CertificatePerson, TTL: "1h", Request: "x"}
			tc.change(&spec)
			request := &v1alpha1.AccessRequest{ObjectMeta: metav1.ObjectMeta{Namespace: "project-shell", GenerateName: "x-"}, Spec: spec}
			if err := as.Create(t.Context(), request, client.DryRunAll); !tc.want(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("what is typed and shown goes through, by a certificate for just the person", func(t *testing.T) {
		signed := signs(t, "project-shell")
		conn, resp := dial(t, path, ed.Name+",staff") //nolint:bodyclose // dial sees to it
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", resp.StatusCode)
		}
		send := func(kind websocket.MessageType, content string) {
			if err := conn.Write(t.Context(), kind, []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		send(websocket.MessageText, `{"type":"resize","columns":120,"rows":40}`)
		for m, _ := message(t, conn); m.Type != "ready"; m, _ = message(t, conn) {
			if m.Type != "status" {
				t.Fatalf("%+v", m)
			}
		}
		if spec := <-signed; spec.User != ed.Name || spec.Role != v1alpha1.CertificatePerson || strings.Join(spec.Groups, ",") != "staff" || spec.TTL != "1h" {
			t.Errorf("the certificate is for %+v", spec)
		}
		opts := <-fake.opened
		inside, err := clientcmd.Load(opts.Kubeconfig)
		if err != nil || string(inside.AuthInfos["cluster"].ClientCertificateData) != "a certificate" || len(inside.AuthInfos["cluster"].ClientKeyData) == 0 {
			t.Errorf("the kubeconfig in the pod: %v", err)
		}
		if opts.Config.Host != "https://192.0.2.1:30000" || opts.Config.BearerToken != "" || !strings.HasSuffix(opts.Image, "terminal:v1.37.2") {
			t.Errorf("the shell is opened with %s at %s", opts.Image, opts.Config.Host)
		}
		if size := <-fake.size; size.Width != 120 || size.Height != 40 {
			t.Errorf("the screen is %+v", size)
		}
		send(websocket.MessageBinary, "kubectl get pods\r")
		if _, shown := message(t, conn); shown != "kubectl get pods\r" {
			t.Errorf("what is shown is %q", shown)
		}
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("closing: %v", err)
		}
		<-fake.closed
		page := into[List[v1alpha1.AuditRecord]](t, shared.as(t, vera.Name).get("/api/v1/projects/shell/audit").is(t, http.StatusOK))
		if r := page.Items[0]; r.Spec.Resource != "clusters/terminal" || r.Spec.User != ed.Name || r.Result.Status != http.StatusSwitchingProtocols {
			t.Errorf("the newest record is %+v", r)
		}
	})
	t.Run("one in which nothing is typed ends, and says so", func(t *testing.T) {
		fake := &echo{make(chan shell.Options, 1), make(chan remotecommand.TerminalSize, 1), make(chan struct{})}
		shared.openShell, shared.idleTerminal = fake.open, time.Second
		defer func() { shared.idleTerminal = idleTerminal }()
		signs(t, "project-shell")
		conn, _ := dial(t, path, ed.Name+",staff") //nolint:bodyclose // dial sees to it
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"resize","columns":120,"rows":40}`)); err != nil {
			t.Fatal(err)
		}
		m, _ := message(t, conn)
		for ; m.Type != "end"; m, _ = message(t, conn) {
			continue
		}
		if m.Message != "nothing was typed for 1s" {
			t.Errorf("it ends because %s", m.Message)
		}
	})
}

func TestWhoseBrowserMayOpenATerminal(t *testing.T) {
	for name, tc := range map[string]struct {
		headers []string
		code    Code
	}{
		"the platform's own page":              {[]string{"Upgrade", "websocket", "Cookie", "session=x", "Origin", "https://canopy.example.com"}, ""},
		"another page":                         {[]string{"Upgrade", "websocket", "Cookie", "session=x", "Origin", "https://evil.example.com"}, CodeForbidden},
		"a page on the same host without TLS":  {[]string{"Upgrade", "websocket", "Cookie", "session=x", "Origin", "http://canopy.example.com"}, CodeForbidden},
		"a page in a frame that has no origin": {[]string{"Upgrade", "websocket", "Cookie", "session=x", "Origin", "null"}, CodeForbidden},
		"nobody says which page":               {[]string{"Upgrade", "websocket", "Cookie", "session=x"}, CodeForbidden},
		"a program with a token":               {[]string{"Upgrade", "websocket"}, ""},
		"something that is no WebSocket":       {[]string{"Origin", "https://canopy.example.com"}, CodeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{opts: Options{PublicURL: "https://canopy.example.com"}}
			r := httptest.NewRequest(http.MethodGet, "https://canopy.example.com/terminal", nil)
			for i := 0; i < len(tc.headers); i += 2 {
				r.Header.Set(tc.headers[i], tc.headers[i+1])
			}
			p := s.checkWebSocket(r)
			if p == nil && tc.code != "" || p != nil && p.Code != tc.code {
				t.Errorf("the problem is %v, want %q", p, tc.code)
			}
		})
	}
}

// TestAShellThatDoesNotStartLeavesNothing plays what makes pods of Jobs: no kubelet runs, so that nothing can be handed to the pod.
func TestAShellThatDoesNotStartLeavesNothing(t *testing.T) {
	jobs, err := shared.kube.Watch(t.Context(), &batchv1.JobList{}, client.InNamespace(shell.Namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer jobs.Stop()
	started := make(chan error, 1)
	go func() {
		for event := range jobs.ResultChan() {
			if job, ok := event.Object.(*batchv1.Job); ok {
				started <- startPodOf(context.WithoutCancel(t.Context()), job)
				return
			}
		}
	}()
	var told []string
	_, err = shell.Open(t.Context(), shell.Options{
		Config: &kubeConfig, Kubeconfig: []byte("secret"), Image: "terminal", Prompt: "shop", Tell: func(message string) { told = append(told, message) },
	})
	if podErr := <-started; podErr != nil {
		t.Errorf("the pod is not let in: %v", podErr)
	}
	if err == nil || !strings.Contains(err.Error(), "handing over") || strings.Contains(err.Error(), "secret") || len(told) == 0 {
		t.Errorf("after %q: %v", told, err)
	}
	left := &batchv1.JobList{}
	if err := shared.kube.List(t.Context(), left, client.InNamespace(shell.Namespace)); err != nil || len(left.Items) != 0 {
		t.Errorf("%d Jobs are left, %v", len(left.Items), err)
	}
}

// startPodOf makes the pod of a Job, and says that it runs.
func startPodOf(ctx context.Context, job *batchv1.Job) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: job.Namespace, Name: job.Name, Labels: map[string]string{batchv1.JobNameLabel: job.Name},
	}, Spec: job.Spec.Template.Spec}
	pod.Spec.NodeName = "nowhere"
	if err := shared.kube.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	return shared.kube.Status().Update(ctx, pod)
}
