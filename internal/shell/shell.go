// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package shell gives somebody a shell with kubectl in a user cluster. It runs in the API, and does everything in the cluster in that
// person's own name: it makes a Job in the namespace canopy-terminals, hands the person's short-lived certificate to its pod's
// memory, and connects to a shell in there. Kubernetes itself removes a Job that nobody has removed.
package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

const (
	// Namespace is where the pods are, in each user cluster.
	Namespace = "canopy-terminals"
	// Longest is how long a shell can be used. Its certificate and its pod end at the same time.
	Longest = time.Hour
	// startPatience is how long a pod may take to start: its image may have to be pulled first.
	startPatience = 3 * time.Minute
	// closePatience is how long the cluster may take to remove it.
	closePatience = 10 * time.Second
)

// Options say who wants a shell, and where.
type Options struct {
	// Config reaches the cluster from here as the person, Kubeconfig from inside of the cluster.
	Config     *rest.Config
	Kubeconfig []byte
	// Image has kubectl and a shell; Prompt is what the shell calls the place.
	Image, Prompt string
	// Tell is told what is waited for, in a few words.
	Tell func(string)
}

// Shell is one that is ready.
type Shell struct {
	opts Options
	kube kubernetes.Interface
	job  string
	pod  string
}

// Streams are what is typed and shown, and how large the screen is.
type Streams struct {
	In   io.Reader
	Out  io.Writer
	Size remotecommand.TerminalSizeQueue
}

// Open starts a pod and gives it the kubeconfig. What was made is removed if that fails. The error says what a person can do.
func Open(ctx context.Context, opts Options) (*Shell, error) {
	clients, err := kubernetes.NewForConfig(opts.Config)
	if err != nil {
		return nil, err
	}
	s := &Shell{opts: opts, kube: clients}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := s.start(ctx); err != nil {
		s.Close(ctx)
		return nil, explain(err)
	}
	return s, nil
}

func explain(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not run a shell in this cluster: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("it has taken longer than %s: look whether the cluster has nodes that are ready: %w", startPatience, err)
	}
	return err
}

func (s *Shell) start(ctx context.Context) error {
	s.opts.Tell("a pod is being made")
	if _, err := s.kube.CoreV1().Namespaces().Create(ctx, namespace(), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the namespace %s: %w", Namespace, err)
	}
	job, err := s.kube.BatchV1().Jobs(Namespace).Create(ctx, jobOf(s.opts), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("making the pod of the shell: %w", err)
	}
	s.job = job.Name
	if err := s.running(ctx); err != nil {
		return err
	}
	// It goes through a pipe into memory: no argument, variable or object has it.
	if err := s.exec(ctx, []string{"sh", "-c", "umask 077 && cat > " + kubeconfigPath}, remotecommand.StreamOptions{Stdin: bytes.NewReader(s.opts.Kubeconfig)}); err != nil {
		return fmt.Errorf("handing over your certificate: %w", err)
	}
	return nil
}

// running waits until the Job's pod runs.
func (s *Shell) running(ctx context.Context) error {
	watcher, err := s.kube.CoreV1().Pods(Namespace).Watch(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + s.job})
	if err != nil {
		return fmt.Errorf("watching the pod of the shell: %w", err)
	}
	defer watcher.Stop()
	told := ""
	for event := range watcher.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		switch pod.Status.Phase {
		case corev1.PodRunning:
			s.pod = pod.Name
			return nil
		case corev1.PodFailed, corev1.PodSucceeded:
			return fmt.Errorf("the pod of the shell has ended: %s %s", pod.Status.Reason, pod.Status.Message)
		}
		if waits := waitsFor(pod); waits != told {
			s.opts.Tell(waits)
			told = waits
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the cluster has ended the connection: try again")
}

// waitsFor says why a pod does not run yet.
func waitsFor(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "no node can take the pod: " + c.Message
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil && c.State.Waiting.Message != "" {
			return "the pod starts: " + c.State.Waiting.Message
		}
	}
	return "the pod starts"
}

// Run connects streams to a shell until that ends, or ctx does.
func (s *Shell) Run(ctx context.Context, streams Streams) error {
	err := s.exec(ctx, []string{"bash"}, remotecommand.StreamOptions{Stdin: streams.In, Stdout: streams.Out, Tty: true, TerminalSizeQueue: streams.Size})
	var ended exec.CodeExitError
	if errors.As(err, &ended) {
		return nil // what the last command has come to
	}
	return err
}

func (s *Shell) exec(ctx context.Context, command []string, streams remotecommand.StreamOptions) error {
	url := s.kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(Namespace).Name(s.pod).SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: container, Command: command, Stdin: true, Stdout: streams.Stdout != nil, TTY: streams.Tty,
	}, scheme.ParameterCodec).URL()
	executor, err := remotecommand.NewWebSocketExecutor(s.opts.Config, "GET", url.String())
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams)
}

// Close removes the pod. If the cluster does not answer, it does so itself when the time is over.
func (s *Shell) Close(ctx context.Context) {
	if s.job == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
	defer cancel()
	_ = s.kube.BatchV1().Jobs(Namespace).Delete(ctx, s.job, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
}
