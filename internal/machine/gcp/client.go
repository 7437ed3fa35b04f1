// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"
	"golang.org/x/oauth2/jwt"
	"google.golang.org/api/cloudresourcemanager/v3"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Keys of the credentials.
const (
	// keyServiceAccount is the key of a service account, or the configuration of a workload identity, as JSON.
	keyServiceAccount = "serviceAccount"
	// keyProject is the ID of the project; none: the service account's own.
	keyProject = "project"
)

const (
	// scope is what tokens are for; what they may do is decided by the roles of the service account.
	scope = "https://www.googleapis.com/auth/cloud-platform"
	// callTimeout is how long an answer may take.
	callTimeout = 30 * time.Second
	// TokenDirectory is where the tokens are by which a seed proves who it is to a workload identity pool. No other file
	// can be named, since whoever writes a Preset would otherwise have any file of the seed's sent away.
	TokenDirectory = "/var/run/secrets/canopy.dev/tokens"
)

// Cloud is Google Cloud.
type Cloud struct {
	accounts machine.Opened[*account]
	tokens   string
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud. The tokens of workload identities are files in the directory tokens, which is TokenDirectory
// except in tests.
func New(tokens string) *Cloud {
	return &Cloud{accounts: machine.NewOpened[*account](), tokens: tokens}
}

// account is a project, opened.
type account struct {
	place    v1alpha1.GCPPlace
	project  string
	compute  *compute.Service
	projects *cloudresourcemanager.ProjectsService

	// What never changes is asked for once.
	mu    sync.Mutex
	zones []string
	types map[string]*compute.MachineType
}

// account returns the client for the credentials, which is kept: so are its token and its connections.
func (c *Cloud) account(ctx context.Context, a machine.Account) (*account, error) {
	return c.accounts.Get(a, func() (*account, error) { return open(ctx, place(a), a.Credentials, c.tokens) })
}

func open(ctx context.Context, p v1alpha1.GCPPlace, credentials map[string][]byte, tokenDirectory string) (*account, error) {
	key, err := parseKey(credentials[keyServiceAccount], p.Endpoint)
	if err != nil {
		return nil, err
	}
	project := strings.TrimSpace(string(credentials[keyProject]))
	if project == "" {
		project = key.ProjectID
	}
	if project == "" {
		return nil, unauthenticated("the key \"project\" is missing: a workload identity does not say which project it is for")
	}
	// What is kept with it, such as tokens that are fetched later, does not end with this call.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Timeout: callTimeout})
	tokens, err := key.tokens(ctx, tokenDirectory)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: callTimeout, Transport: &oauth2.Transport{Source: tokens}}
	forCompute, forProjects := []option.ClientOption{option.WithHTTPClient(client)}, []option.ClientOption{option.WithHTTPClient(client)}
	if p.Endpoint != "" {
		base := strings.TrimSuffix(p.Endpoint, "/")
		forCompute = append(forCompute, option.WithEndpoint(base+"/compute/v1/"))
		forProjects = append(forProjects, option.WithEndpoint(base+"/"))
	}
	instances, err := compute.NewService(ctx, forCompute...)
	if err != nil {
		return nil, fmt.Errorf("making a client for Google Cloud: %w", err)
	}
	projects, err := cloudresourcemanager.NewService(ctx, forProjects...)
	if err != nil {
		return nil, fmt.Errorf("making a client for Google Cloud: %w", err)
	}
	return &account{
		place: p, project: project, compute: instances, projects: projects.Projects,
		types: map[string]*compute.MachineType{},
	}, nil
}

// key is what can be in keyServiceAccount, as far as it is used. The type says which of the fields count.
type key struct {
	Type      string `json:"type"`
	ProjectID string `json:"project_id"`

	// service_account
	ClientEmail  string `json:"client_email"`
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
	TokenURI     string `json:"token_uri"`

	// external_account
	Audience         string `json:"audience"`
	SubjectTokenType string `json:"subject_token_type"`
	TokenURL         string `json:"token_url"`
	Impersonation    string `json:"service_account_impersonation_url"`
	Source           struct {
		File string `json:"file"`
	} `json:"credential_source"`
}

const (
	typeServiceAccount  = "service_account"
	typeExternalAccount = "external_account"
)

func unauthenticated(what string) error {
	return &machine.RefusedError{
		Reason:  v1alpha1.ReasonUnauthenticated,
		Message: "the credentials for Google Cloud cannot be used: " + what + "; change the Secret of the Preset",
	}
}

// parseKey reads a key. Where it says that tokens come from must be Google, or the place's own endpoint: else a Preset
// could make a seed call whom it likes.
func parseKey(content []byte, endpoint string) (*key, error) {
	if len(content) == 0 {
		return nil, unauthenticated("the key \"serviceAccount\" is missing")
	}
	k := &key{}
	if json.Unmarshal(content, k) != nil { // whose error may quote what is secret
		return nil, unauthenticated("\"serviceAccount\" is not JSON")
	}
	switch k.Type {
	case typeServiceAccount:
		k.TokenURI = withDefault(k.TokenURI, "https://oauth2.googleapis.com/token")
		if !isPrivateKey(k.PrivateKey) {
			return nil, unauthenticated("its private_key is not a private key in PEM")
		}
	case typeExternalAccount:
		k.TokenURL = withDefault(k.TokenURL, "https://sts.googleapis.com/v1/token")
		if file, ok := strings.CutPrefix(k.Source.File, TokenDirectory+"/"); !ok || strings.Contains(file, "/") {
			return nil, unauthenticated("the file of its credential_source is not in " + TokenDirectory)
		}
	default:
		return nil, unauthenticated("its type must be " + typeServiceAccount + " or " + typeExternalAccount)
	}
	for _, u := range []string{k.TokenURI, k.TokenURL, k.Impersonation} {
		if u != "" && !trusted(u, endpoint) {
			return nil, unauthenticated("it has tokens come from " + u + ", which is not Google's")
		}
	}
	return k, nil
}

func withDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func isPrivateKey(content string) bool {
	block, _ := pem.Decode([]byte(content))
	if block == nil {
		return false
	}
	_, err8 := x509.ParsePKCS8PrivateKey(block.Bytes)
	_, err1 := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err8 == nil || err1 == nil
}

func trusted(s, endpoint string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	if e, err := url.Parse(endpoint); err == nil && endpoint != "" && u.Scheme == e.Scheme && u.Host == e.Host {
		return true
	}
	return u.Scheme == "https" && u.Port() == "" && strings.HasSuffix(u.Hostname(), ".googleapis.com")
}

// tokens returns where tokens come from. They are fetched when they are needed, and kept until they expire.
func (k *key) tokens(ctx context.Context, directory string) (oauth2.TokenSource, error) {
	if k.Type == typeServiceAccount {
		config := jwt.Config{
			Email: k.ClientEmail, PrivateKey: []byte(k.PrivateKey), PrivateKeyID: k.PrivateKeyID,
			Scopes: []string{scope}, TokenURL: k.TokenURI,
		}
		return config.TokenSource(ctx), nil
	}
	source, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
		Audience: k.Audience, SubjectTokenType: k.SubjectTokenType, TokenURL: k.TokenURL,
		ServiceAccountImpersonationURL: k.Impersonation, Scopes: []string{scope},
		SubjectTokenSupplier: tokenFile{directory, strings.TrimPrefix(k.Source.File, TokenDirectory+"/")},
	})
	if err != nil {
		return nil, unauthenticated("as a workload identity: " + err.Error())
	}
	return source, nil
}

// tokenFile is a file with a token. Kubernetes replaces its content before it expires.
type tokenFile struct{ directory, name string }

// SubjectToken returns the token.
func (f tokenFile) SubjectToken(context.Context, externalaccount.SupplierOptions) (string, error) {
	directory, err := os.OpenRoot(f.directory)
	if err != nil {
		return "", fmt.Errorf("this process has no tokens for workload identities: %w", err)
	}
	defer directory.Close()
	token, err := directory.ReadFile(f.name)
	if err != nil {
		return "", fmt.Errorf("reading a token for a workload identity: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}
