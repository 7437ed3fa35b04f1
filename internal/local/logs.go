// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"canopy.dev/canopy/internal/local/sandbox"
)

// LogNames are the logs that exist beside those of pods.
var LogNames = append([]string{sandbox.SupervisorLog, "kubeadm"}, daemonNames...)

// LogOptions say which lines to show.
type LogOptions struct {
	// Tail is how many lines to start with, counted from the end.
	Tail int64
	// Follow goes on with new lines until the context ends.
	Follow bool
	// Container of the pod; empty if it has only one.
	Container string
}

// Logs copies a log to out: one of LogNames, or that of a pod of the platform's own cluster, named "namespace/pod".
func Logs(ctx context.Context, out io.Writer, name string, options LogOptions) error {
	if namespace, pod, isPod := strings.Cut(name, "/"); isPod {
		config, err := restConfig()
		if err != nil {
			return err
		}
		return PodLogs(ctx, out, config, types.NamespacedName{Namespace: namespace, Name: pod}, options)
	}
	for _, known := range LogNames {
		if name == known {
			return fileLogs(ctx, out, sandbox.LogPath(logDir, name), options)
		}
	}
	return fmt.Errorf("there is no log %q: name one of %s, or a pod as NAMESPACE/POD", name, strings.Join(LogNames, ", "))
}

func fileLogs(ctx context.Context, out io.Writer, path string, options LogOptions) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s does not exist: it has not run yet", path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if _, err := out.Write(tail(content, int(options.Tail))); err != nil || !options.Follow {
		return err
	}
	position := int64(len(content))
	err = poll(ctx, 200*time.Millisecond, func(context.Context) (bool, error) {
		info, err := f.Stat()
		if err != nil {
			return false, err
		}
		if info.Size() < position { // it was cut
			position = 0
		}
		n, err := io.Copy(out, io.NewSectionReader(f, position, info.Size()-position))
		position += n
		return false, err
	})
	if errors.Is(err, context.Canceled) {
		return nil // the person has seen enough
	}
	return err
}

// tail returns the last n lines.
func tail(content []byte, n int) []byte {
	end := len(content)
	if end > 0 && content[end-1] == '\n' {
		end--
	}
	for range n {
		i := bytes.LastIndexByte(content[:end], '\n')
		if i < 0 {
			return content
		}
		end = i
	}
	return content[end+1:]
}

// PodLogs copies the log of a pod to out, of whichever cluster config leads to.
func PodLogs(ctx context.Context, out io.Writer, config *rest.Config, pod types.NamespacedName, options LogOptions) error {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	stream, err := clients.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: options.Container, Follow: options.Follow, TailLines: &options.Tail,
	}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("read the log of pod %s: %w", pod, err)
	}
	defer stream.Close()
	_, err = io.Copy(out, stream)
	return err
}
