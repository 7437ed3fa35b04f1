// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilcache "k8s.io/apimachinery/pkg/util/cache"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
)

const (
	// measured is how often something is measured: what was asked within that time is not asked again.
	measured = 30 * time.Second
	// chartsKept and failureKept are how many answers are kept, and how long one that says why there is none.
	chartsKept, failureKept = 1024, 5 * time.Second
	// longestAnswer bounds what is read of one, in bytes.
	longestAnswer = 16 << 20
	// chartLabel says which chart a series is of.
	chartLabel = "chart"
)

// answers are those of the seeds' Prometheus. Everybody who looks at the same charts shares one.
type answers struct {
	known *utilcache.LRUExpireCache
	asked singleflight.Group
}

func newAnswers() *answers { return &answers{known: utilcache.NewLRUExpireCache(chartsKept)} }

// promAnswer is one: series, or why there are none.
type promAnswer struct {
	series []sampled
	reason string
}

// sampled is a series as Prometheus knows it.
type sampled struct {
	labels map[string]string
	points []Point
}

// query returns the expression of some charts of some clusters, ids with | between them: one question for all of them.
func query(charts []chart, ids string) string {
	parts := make([]string, 0, len(charts))
	for _, c := range charts {
		parts = append(parts, fmt.Sprintf("label_replace(%s, %q, %q, %q, %q)", strings.ReplaceAll(c.expr, "{CLUSTERS}", ids), chartLabel, c.name, "", ""))
	}
	return strings.Join(parts, " or ")
}

// window returns the times of the first and the last point; they move on with what is measured.
func (s span) window(now time.Time) (from, to time.Time) {
	to = now.Truncate(measured)
	return to.Add(-s.length), to
}

// ask asks the Prometheus of a seed, unless somebody has just done so. The reason says why there is no answer.
func (s *Server) ask(ctx context.Context, seed, expr string, over span) ([]sampled, string) {
	from, to := over.window(time.Now())
	key := fmt.Sprintf("%s\x00%s\x00%d\x00%d", seed, expr, from.Unix(), to.Unix())
	if known, ok := s.answers.known.Get(key); ok {
		if a, ok := known.(promAnswer); ok {
			return a.series, a.reason
		}
	}
	// Who asks first may go away; the others wait for the answer all the same.
	ctx = context.WithoutCancel(ctx)
	shared, _, _ := s.answers.asked.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, seedPatience)
		defer cancel()
		series, err := s.askNow(ctx, seed, expr, from, to, over.step)
		a, kept := promAnswer{series: series}, measured
		if err != nil {
			logger(ctx).Error(err, "The Prometheus of a seed could not be asked", "seed", seed)
			a.reason, kept = prometheusReason(err), failureKept
		}
		s.answers.known.Add(key, a, kept)
		return a, nil
	})
	a, _ := shared.(promAnswer)
	return a.series, a.reason
}

func prometheusReason(err error) string {
	switch {
	case apierrors.IsNotFound(err):
		return "the seed has no monitoring"
	case apierrors.IsServiceUnavailable(err):
		return "the Prometheus of the seed does not run"
	}
	return "the seed: " + seedReason(err, "ask Prometheus")
}

// askNow asks through the seed's kube-apiserver, on which there is a right to this one Service.
func (s *Server) askNow(ctx context.Context, seed, expr string, from, to time.Time, step time.Duration) ([]sampled, error) {
	asked, err := s.seeds.client(ctx, s, seed)
	if err != nil {
		return nil, err
	}
	stream, err := asked.kube.CoreV1().Services(v1alpha1.SystemNamespace).ProxyGet("", install.PrometheusService, install.PrometheusPort, "api/v1/query_range", map[string]string{
		"query": expr, "start": unix(from), "end": unix(to), "step": strconv.Itoa(int(step.Seconds())),
	}).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Values [][2]any          `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(stream, longestAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading what Prometheus answers: %w", err)
	}
	found := make([]sampled, 0, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		f := sampled{labels: r.Metric}
		for _, v := range r.Values {
			if p, ok := pointOf(v); ok {
				f.points = append(f.points, p)
			}
		}
		found = append(found, f)
	}
	return found, nil
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// pointOf reads a pair of a time and the text of a number; what is no number, such as a division by nothing, is no point.
func pointOf(v [2]any) (Point, bool) {
	at, ok := v[0].(float64)
	text, isText := v[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	return Point{at, value}, ok && isText && err == nil && !math.IsNaN(value) && !math.IsInf(value, 0)
}
