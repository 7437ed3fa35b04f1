// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Code says which problem it is. Codes do not change once they are published.
type Code string

// The codes of problems.
const (
	CodeInvalid              Code = "ERR_INVALID"
	CodeMalformed            Code = "ERR_MALFORMED"
	CodeUnauthenticated      Code = "ERR_UNAUTHENTICATED"
	CodeForbidden            Code = "ERR_FORBIDDEN"
	CodeQuotaExceeded        Code = "ERR_QUOTA_EXCEEDED"
	CodeRefused              Code = "ERR_REFUSED"
	CodeNotFound             Code = "ERR_NOT_FOUND"
	CodeMethodNotAllowed     Code = "ERR_METHOD_NOT_ALLOWED"
	CodeUnsupportedMedia     Code = "ERR_UNSUPPORTED_MEDIA_TYPE"
	CodeAlreadyExists        Code = "ERR_ALREADY_EXISTS"
	CodeConflict             Code = "ERR_CONFLICT"
	CodePreconditionFailed   Code = "ERR_PRECONDITION_FAILED"
	CodePreconditionRequired Code = "ERR_PRECONDITION_REQUIRED"
	CodeKeyReused            Code = "ERR_IDEMPOTENCY_KEY_REUSED"
	CodeTooLarge             Code = "ERR_TOO_LARGE"
	CodeTooManyRequests      Code = "ERR_TOO_MANY_REQUESTS"
	CodeTimeout              Code = "ERR_TIMEOUT"
	CodeUnavailable          Code = "ERR_UNAVAILABLE"
	CodeInternal             Code = "ERR_INTERNAL"
	CodeNotReady             Code = "ERR_NOT_READY"

	// Those of clouds.
	CodeInfraUnauthenticated Code = "ERR_INFRA_UNAUTHENTICATED"
	CodeInfraUnauthorized    Code = "ERR_INFRA_UNAUTHORIZED"
	CodeInfraQuotaExceeded   Code = "ERR_INFRA_QUOTA_EXCEEDED"
	CodeInfraDepleted        Code = "ERR_INFRA_RESOURCES_DEPLETED"
	CodeInfraRateLimited     Code = "ERR_INFRA_RATE_LIMITS_EXCEEDED"
	CodeInfraDependencies    Code = "ERR_INFRA_DEPENDENCIES"
	CodeInfraConfiguration   Code = "ERR_INFRA_CONFIGURATION_PROBLEM"
	CodeInfraUnavailable     Code = "ERR_INFRA_UNAVAILABLE"
)

// Who has to act on a problem.
const (
	ownerUser     = "user"
	ownerOperator = "operator"
)

// problemKind is what is the same for all problems with a code.
type problemKind struct {
	status    int
	title     string
	owner     string
	retryable bool
	hint      string
}

// problemKinds is the catalogue. The documentation page shows it.
var problemKinds = map[Code]problemKind{
	CodeInvalid:              {http.StatusUnprocessableEntity, "The request is not valid", ownerUser, false, "Correct what errors names."},
	CodeMalformed:            {http.StatusBadRequest, "The request cannot be read", ownerUser, false, "Send one JSON object as /openapi.json describes it."},
	CodeUnauthenticated:      {http.StatusUnauthorized, "It is not known who you are", ownerUser, false, "Log in again (canopy login), or send a token that is valid."},
	CodeForbidden:            {http.StatusForbidden, "You may not do this", ownerUser, false, "Ask an owner of the project for the role that may, or an administrator."},
	CodeQuotaExceeded:        {http.StatusConflict, "The project's quota is exceeded", ownerUser, false, "Ask for less, free something, or have an administrator raise the quota."},
	CodeRefused:              {http.StatusConflict, "A rule of the platform forbids this", ownerUser, false, "Do what the detail says first."},
	CodeNotFound:             {http.StatusNotFound, "There is no such thing", ownerUser, false, "Look at the list of what there is."},
	CodeMethodNotAllowed:     {http.StatusMethodNotAllowed, "This cannot be done here", ownerUser, false, "Use one of the methods that the header Allow names."},
	CodeUnsupportedMedia:     {http.StatusUnsupportedMediaType, "The body has a type that is not understood", ownerUser, false, "Send application/json, or application/merge-patch+json with PATCH."},
	CodeAlreadyExists:        {http.StatusConflict, "It exists already", ownerUser, false, "Choose another name, or change the one that exists."},
	CodeConflict:             {http.StatusConflict, "Somebody else was faster", ownerUser, true, "Read it again, and try again."},
	CodePreconditionFailed:   {http.StatusPreconditionFailed, "It has changed since you read it", ownerUser, true, "Read it again, make your change in what is there now, and send the new ETag as If-Match."},
	CodePreconditionRequired: {http.StatusPreconditionRequired, "The header If-Match is missing", ownerUser, false, "Send the ETag that came with what you want to change, or * to change it whatever it is."},
	CodeKeyReused:            {http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request", ownerUser, false, "Choose a new key for each new request."},
	CodeTooLarge:             {http.StatusRequestEntityTooLarge, "The request is too large", ownerUser, false, "Send less: a megabyte and 64 levels at the most."},
	CodeTooManyRequests:      {http.StatusTooManyRequests, "You ask too often", ownerUser, true, "Wait as long as Retry-After says; watch instead of asking again and again."},
	CodeTimeout:              {http.StatusGatewayTimeout, "It took too long", ownerOperator, true, "Try again; if it stays so, tell the operator the requestId."},
	CodeUnavailable:          {http.StatusServiceUnavailable, "The platform cannot answer now", ownerOperator, true, "Try again; if it stays so, tell the operator the requestId."},
	CodeInternal:             {http.StatusInternalServerError, "This is a defect of the server", ownerOperator, false, "Tell the operator the requestId."},
	CodeNotReady:             {http.StatusConflict, "It is not that far yet", ownerUser, true, "Its condition Ready says what it waits for; try again then."},
	CodeInfraUnauthenticated: {http.StatusConflict, "The cloud does not know the preset's credentials", ownerOperator, false, "Have an administrator put valid credentials into the preset's Secret, or use another preset."},
	CodeInfraUnauthorized:    {http.StatusConflict, "The preset's credentials may not do this at the cloud", ownerOperator, false, "Have an administrator give them the permission that the detail names, or use another preset."},
	CodeInfraQuotaExceeded:   {http.StatusConflict, "The quota of the cloud account is exceeded", ownerUser, false, "Ask for less, free something in the account, or have its owner raise the quota at the cloud."},
	CodeInfraDepleted:        {http.StatusConflict, "The cloud has no more of this here now", ownerUser, true, "Choose another size, zone or datacenter, or try again later."},
	CodeInfraRateLimited:     {http.StatusServiceUnavailable, "The cloud account is asked too often", ownerOperator, true, "Try again in a minute; if it stays so, look for what else uses the account."},
	CodeInfraDependencies:    {http.StatusConflict, "Something else at the cloud is in the way", ownerUser, true, "Remove what the detail names, and try again."},
	CodeInfraConfiguration:   {http.StatusConflict, "The cloud does not have what is asked for", ownerUser, false, "Correct what the detail names: in what you asked for, in the preset, or have an administrator correct the datacenter."},
	CodeInfraUnavailable:     {http.StatusBadGateway, "The cloud does not answer as it should", ownerOperator, true, "Try again; if it stays so, look at the cloud's own status page, and tell the operator the requestId."},
}

// Problem is what every error looks like: RFC 9457, with what a program needs to decide what to do next.
type Problem struct { //nolint:errname // RFC 9457 names it so
	Type      string        `json:"type" doc:"Where the code is explained." example:"/docs#ERR_PRECONDITION_FAILED"`
	Title     string        `json:"title" doc:"What kind of problem it is; the same for all with this code."`
	Status    int           `json:"status" doc:"The status of the response."`
	Detail    string        `json:"detail,omitempty" doc:"What went wrong this time."`
	Instance  string        `json:"instance,omitempty" doc:"The path that was asked for."`
	Code      Code          `json:"code" doc:"Which problem it is. Codes do not change." example:"ERR_PRECONDITION_FAILED"`
	Owner     string        `json:"owner" enum:"user,operator" doc:"Who can solve it: who asked, or who runs the platform."`
	Hint      string        `json:"hint,omitempty" doc:"What to do next."`
	Retryable bool          `json:"retryable" doc:"Whether the same request may succeed later."`
	RequestID string        `json:"requestId,omitempty" doc:"How the request is called in the server's log."`
	Errors    []ProblemItem `json:"errors,omitempty" doc:"The places in the request that are wrong."`
}

// ProblemItem is one thing that is wrong with a request. What was sent is not repeated: it may be secret.
type ProblemItem struct {
	Location string `json:"location,omitempty" doc:"Where it is." example:"body.spec.version"`
	Message  string `json:"message" doc:"What is wrong."`
}

// problem returns a problem with a code's usual hint.
func problem(code Code, format string, args ...any) *Problem {
	kind := problemKinds[code]
	return &Problem{
		Type: "/docs#" + string(code), Title: kind.title, Status: kind.status, Detail: fmt.Sprintf(format, args...),
		Code: code, Owner: kind.owner, Hint: kind.hint, Retryable: kind.retryable,
	}
}

// Error returns the detail.
func (p *Problem) Error() string { return cmp.Or(p.Detail, p.Title) }

// GetStatus returns the status of the response.
func (p *Problem) GetStatus() int { return p.Status }

// retryAfter is after how many seconds to try again, where nothing says it better.
const retryAfter = "10"

// GetHeaders says when to try again.
func (p *Problem) GetHeaders() http.Header {
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		return http.Header{"Retry-After": {retryAfter}}
	}
	return nil
}

// ContentType is that of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// at says where in the request it is wrong.
func (p *Problem) at(location, message string) *Problem {
	p.Errors = append(p.Errors, ProblemItem{Location: location, Message: message})
	return p
}

func init() {
	// The errors of the framework itself look as ours do.
	huma.NewError = frameworkProblem
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		p := frameworkProblem(status, message, errs...)
		if ctx == nil {
			return p
		}
		return located(ctx.Context(), p)
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

// frameworkCodes are the codes for what the framework finds wrong itself.
var frameworkCodes = map[int]Code{
	http.StatusBadRequest: CodeMalformed, http.StatusUnprocessableEntity: CodeInvalid, http.StatusUnsupportedMediaType: CodeUnsupportedMedia,
	http.StatusRequestEntityTooLarge: CodeTooLarge, http.StatusRequestTimeout: CodeTimeout, http.StatusNotFound: CodeNotFound,
	http.StatusMethodNotAllowed: CodeMethodNotAllowed,
}

func frameworkProblem(status int, message string, errs ...error) huma.StatusError {
	code, ok := frameworkCodes[status]
	if !ok {
		// What an error says that nobody foresaw is for the log, which has it by the request's ID.
		return problem(CodeInternal, "")
	}
	p := problem(code, "%s", message)
	p.Status = cmp.Or(status, p.Status)
	for _, err := range errs {
		var known *Problem
		if errors.As(err, &known) {
			return known
		}
		var detailed huma.ErrorDetailer
		if errors.As(err, &detailed) {
			p = p.at(detailed.ErrorDetail().Location, detailed.ErrorDetail().Message)
		} else if err != nil {
			p = p.at("", err.Error())
		}
	}
	return p
}

// located says in a problem which request it belongs to.
func located(ctx context.Context, err huma.StatusError) huma.StatusError {
	p := &Problem{}
	if errors.As(err, &p) && p.RequestID == "" {
		if call := callOf(ctx); call != nil {
			p.RequestID, p.Instance = call.id, call.path
		}
	}
	return err
}

// fail turns whatever went wrong into a problem. What is nobody's business but the operator's goes to the log only.
func fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = kubernetesProblem(err)
	}
	if p.Owner == ownerOperator {
		logger(ctx).Error(err, "A request failed", "code", p.Code)
	}
	return located(ctx, p)
}

// kubernetesProblem translates what the Kubernetes API answered.
func kubernetesProblem(err error) *Problem {
	var status apierrors.APIStatus
	known := errors.As(err, &status)
	switch {
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return problem(CodeTimeout, "")
	case errors.Is(err, context.Canceled):
		return problem(CodeTimeout, "the request was given up")
	case !known:
		return problem(CodeUnavailable, "")
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return problem(CodeInvalid, "the pageToken is too old").at("query.pageToken", "begin with the first page again")
	case apierrors.IsForbidden(err):
		return forbiddenProblem(status.Status())
	case apierrors.IsNotFound(err):
		return problem(CodeNotFound, "there is no %s %s", kindOfStatus(status.Status()), nameOfStatus(status.Status()))
	case apierrors.IsAlreadyExists(err):
		return problem(CodeAlreadyExists, "there is a %s %s already", kindOfStatus(status.Status()), nameOfStatus(status.Status()))
	case apierrors.IsConflict(err):
		return problem(CodePreconditionFailed, "%s %s has changed in the meantime", kindOfStatus(status.Status()), nameOfStatus(status.Status()))
	case apierrors.IsInvalid(err):
		return invalidProblem(status.Status())
	case apierrors.IsBadRequest(err):
		return strictProblem(status.Status())
	case apierrors.IsRequestEntityTooLargeError(err):
		return problem(CodeTooLarge, "")
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err), apierrors.IsUnauthorized(err):
		return problem(CodeUnavailable, "")
	case status.Status().Code >= http.StatusBadRequest && status.Status().Code < http.StatusInternalServerError:
		return problem(CodeInvalid, "%s", status.Status().Message)
	}
	return problem(CodeUnavailable, "")
}

func kindOfStatus(status metav1.Status) string {
	if status.Details == nil || status.Details.Kind == "" {
		return "object"
	}
	return status.Details.Kind
}

func nameOfStatus(status metav1.Status) string {
	if status.Details == nil {
		return ""
	}
	return status.Details.Name
}

// policyPrefix is what Kubernetes puts before the message of an admission policy.
var policyPrefix = regexp.MustCompile(`^.*ValidatingAdmissionPolicy '([^']*)' with binding '[^']*' denied request: `)

// forbiddenProblem tells a missing right from a rule that nobody may break, and from a quota.
func forbiddenProblem(status metav1.Status) *Problem {
	policy := policyPrefix.FindStringSubmatch(status.Message)
	detail := policyPrefix.ReplaceAllString(status.Message, "")
	switch {
	case policy != nil && strings.HasPrefix(detail, "quota of project"), strings.Contains(detail, "exceeded quota: "):
		return problem(CodeQuotaExceeded, "%s", detail)
	case policy != nil && strings.HasPrefix(detail, "owners may"):
		return problem(CodeForbidden, "%s", detail)
	case policy != nil:
		return problem(CodeRefused, "%s", detail)
	}
	return problem(CodeForbidden, "%s", detail)
}

func invalidProblem(status metav1.Status) *Problem {
	p := problem(CodeInvalid, "%s", status.Message)
	if status.Details == nil {
		return p
	}
	for _, cause := range status.Details.Causes {
		p = p.at(bodyLocation(cause.Field), cause.Message)
	}
	if len(p.Errors) > 0 {
		p.Detail = fmt.Sprintf("%s %s is not valid", kindOfStatus(status), nameOfStatus(status))
	}
	return p
}

func bodyLocation(field string) string {
	if field == "" || field == "<nil>" {
		return "body"
	}
	return "body." + strings.TrimPrefix(field, ".")
}

// unknownField is how Kubernetes names a field that it does not know.
var unknownField = regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`)

func strictProblem(status metav1.Status) *Problem {
	fields := unknownField.FindAllStringSubmatch(status.Message, -1)
	if len(fields) == 0 {
		return problem(CodeInvalid, "%s", status.Message)
	}
	p := problem(CodeInvalid, "the request has fields that are not known")
	for _, field := range fields {
		p = p.at(bodyLocation(field[2]), field[1]+" field")
	}
	return p
}
