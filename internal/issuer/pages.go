// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"errors"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"canopy.dev/canopy/internal/sealed"
	"canopy.dev/canopy/internal/secretstore"
)

// maxForm bounds what a form may send.
const maxForm = 16 << 10

var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// pageHandler serves the pages on which people log in. They need no script. A form is taken from our own pages only.
type pageHandler struct {
	*storage
	callback string
}

// page is what a page shows.
type page struct {
	Title string
	// Client is what the user logs in to; Code what a device shows.
	Client, Code string
	ID, Email    string
	// Error is what is wrong; Done that there is nothing left to do, and why.
	Error, Done string
}

// protection refuses forms that another site has sent.
var protection = http.NewCrossOriginProtection()

// show writes a page. Where a form leads in the end has to be among its targets.
func show(w http.ResponseWriter, status int, name string, p page, target string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'"+target+"; frame-ancestors 'none'; base-uri 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = templates.ExecuteTemplate(w, name, p) // who does not wait for the answer does not get it
}

func (h *pageHandler) showLogin(w http.ResponseWriter, r *http.Request) {
	request, err := open(h.seal, r.URL.Query().Get("id"), h.store.Now())
	if err != nil || request.Done() {
		tooOld(w)
		return
	}
	show(w, http.StatusOK, "login.html", h.loginPage(request), originOf(request.RedirectURI))
}

func tooOld(w http.ResponseWriter) {
	show(w, http.StatusBadRequest, "done.html", page{Title: "This login has expired", Done: "Go back to where you came from and log in again."}, "")
}

func (h *pageHandler) loginPage(request *authRequest) page {
	return page{Title: "Log in", Client: h.clientName(request.Client), ID: request.id}
}

func (h *pageHandler) clientName(id string) string {
	if c, ok := h.clients[id]; ok {
		return c.name
	}
	return id
}

// originOf returns the origin of a URL, with a space before it.
func originOf(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}

// parseForm reads a form of our own; false: the answer is written.
func parseForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if protection.Check(r) != nil || r.ParseForm() != nil {
		show(w, http.StatusForbidden, "done.html", page{Title: "This form cannot be taken", Done: "Go back to where you came from and log in again."}, "")
		return false
	}
	return true
}

func (h *pageHandler) logIn(w http.ResponseWriter, r *http.Request) {
	if !parseForm(w, r) {
		return
	}
	request, err := open(h.seal, r.PostForm.Get("id"), h.store.Now())
	if err != nil || request.Done() {
		tooOld(w)
		return
	}
	user, err := h.storage.logIn(r.Context(), r.PostForm.Get("email"), r.PostForm.Get("password"))
	if err != nil {
		p := h.loginPage(request)
		p.Email = r.PostForm.Get("email")
		h.refuse(w, "login.html", p, originOf(request.RedirectURI), err)
		return
	}
	done := *request
	done.Subject, done.AuthTime, done.Until = user.Email, h.store.Now().UTC(), h.store.Now().Add(doneLifetime).UTC()
	id, err := sealed.Seal(h.seal, done)
	if err != nil {
		h.refuse(w, "login.html", h.loginPage(request), "", err)
		return
	}
	http.Redirect(w, r, h.callback+"?id="+url.QueryEscape(id), http.StatusSeeOther)
}

// refuse shows the form again, with what is wrong.
func (h *pageHandler) refuse(w http.ResponseWriter, name string, p page, target string, err error) {
	status := http.StatusUnauthorized
	var locked lockedError
	switch {
	case errors.As(err, &locked):
		status = http.StatusTooManyRequests
		seconds := max(1, int(math.Ceil(locked.until.Sub(h.store.Now()).Seconds())))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		p.Error = "Too many attempts have failed. Try again in " + strconv.Itoa(seconds) + " seconds."
	case errors.Is(err, errDenied):
		p.Error = "The e-mail address or the password is wrong."
	default:
		status = http.StatusServiceUnavailable
		p.Error = "The login does not work at the moment. Try again in a minute."
	}
	show(w, status, name, p, target)
}

func (h *pageHandler) showDevice(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("user_code")
	p := page{Title: "Log in on another device", Code: code}
	if code != "" {
		record, err := h.waiting(r.Context(), code)
		if err != nil {
			p.Error = "There is no device with this code. Codes are valid for ten minutes."
		} else {
			p.Code, p.Client = normalize(code), h.clientName(record.Value.Client)
		}
	}
	show(w, http.StatusOK, "device.html", p, "")
}

// logInDevice takes the answer for a device. Whoever denies needs to be nobody: who knows the code may make it useless.
func (h *pageHandler) logInDevice(w http.ResponseWriter, r *http.Request) {
	if !parseForm(w, r) {
		return
	}
	code := normalize(r.PostForm.Get("user_code"))
	p := page{Title: "Log in on another device", Code: code, Email: r.PostForm.Get("email")}
	record, err := h.waiting(r.Context(), code)
	if errors.Is(err, secretstore.ErrNotFound) {
		p.Error = "There is no device with this code. Codes are valid for ten minutes."
		show(w, http.StatusNotFound, "device.html", p, "")
		return
	}
	if err != nil {
		h.refuse(w, "device.html", p, "", err)
		return
	}
	p.Client = h.clientName(record.Value.Client)
	if r.PostForm.Get("answer") == "deny" {
		err = h.decide(r.Context(), record, "")
	} else {
		var user User
		if user, err = h.storage.logIn(r.Context(), r.PostForm.Get("email"), r.PostForm.Get("password")); err == nil {
			err = h.decide(r.Context(), record, user.Email)
		}
	}
	if err != nil {
		h.refuse(w, "device.html", p, "", err)
		return
	}
	if record.Value.Denied {
		show(w, http.StatusOK, "done.html", page{Title: "Not logged in", Done: "The device was refused. You can close this window."}, "")
		return
	}
	show(w, http.StatusOK, "done.html", page{Title: "You are logged in", Done: "The device goes on by itself. You can close this window."}, "")
}
