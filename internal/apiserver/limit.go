// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
)

const (
	// perSecond and burst are how often one caller may ask.
	perSecond, burst = 50, 200
	// strangersPerSecond and strangersBurst are how often one address gets an answer to credentials that are not valid. Who
	// shows valid ones is not held up: many people may come from one address.
	strangersPerSecond, strangersBurst = 5, 50
	// limitsKept is of how many callers it is known how often they have asked.
	limitsKept, limitAge = 8192, 10 * time.Minute
)

// limits are how often each caller may ask. They are of one replica.
type limits struct {
	rate  rate.Limit
	burst int
	known *utilcache.LRUExpireCache
}

func newLimits(perSecond, burst int) *limits {
	return &limits{rate: rate.Limit(perSecond), burst: burst, known: utilcache.NewLRUExpireCache(limitsKept)}
}

func (l *limits) of(key string) *rate.Limiter {
	if known, ok := l.known.Get(key); ok {
		if limiter, ok := known.(*rate.Limiter); ok {
			return limiter
		}
	}
	limiter := rate.NewLimiter(l.rate, l.burst)
	l.known.Add(key, limiter, limitAge)
	return limiter
}

// allow takes one request of a caller's; how long to wait, if there is none left.
func (l *limits) allow(key string, now time.Time) (wait time.Duration, ok bool) {
	reservation := l.of(key).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// tooMany is the problem of who asks too often.
func tooMany(w http.ResponseWriter, wait time.Duration) *Problem {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(wait, time.Second).Seconds()))))
	return problem(CodeTooManyRequests, "more than %d requests a second", perSecond)
}
