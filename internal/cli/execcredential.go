// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"

	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
	"canopy.dev/canopy/internal/cli/output"
)

// execInfo is the environment variable through which kubectl says what it wants a credential for.
const execInfo = "KUBERNETES_EXEC_INFO"

// newExecCredentialCommand returns the hidden command that kubectl runs, as client.authentication.k8s.io says.
func newExecCredentialCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use: "exec-credential", Short: "Print a token for kubectl, which calls this by itself", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := readExecInfo(os.Getenv(execInfo))
			if err != nil {
				return err
			}
			if f.Context, err = wanted.context(f.Context); err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			c, err := s.credential(cmd.Context(), wanted.Spec.Interactive)
			if err != nil {
				return explain("logging in to "+s.current.Name, err)
			}
			answer := clientauthentication.ExecCredential{
				TypeMeta: metav1.TypeMeta{APIVersion: clientauthentication.SchemeGroupVersion.String(), Kind: "ExecCredential"},
				Status:   &clientauthentication.ExecCredentialStatus{Token: c.Token},
			}
			if !c.Expiry.IsZero() {
				answer.Status.ExpirationTimestamp = &metav1.Time{Time: c.Expiry.Add(-time.Minute)} // until when it is asked for again
			}
			return json.NewEncoder(s.out).Encode(answer)
		},
	}
	f.add(cmd)
	return cmd
}

// execRequest is what kubectl says.
type execRequest struct {
	Spec struct {
		Interactive bool `json:"interactive"`
		Cluster     struct {
			Config struct {
				// API is the URL of the platform's API.
				API string `json:"api"`
			} `json:"config"`
		} `json:"cluster"`
	} `json:"spec"`
}

func readExecInfo(text string) (execRequest, error) {
	var wanted execRequest
	if text == "" {
		return wanted, output.Usage("kubectl calls this command by itself; for a token of your own: %s token", self())
	}
	if err := json.Unmarshal([]byte(text), &wanted); err != nil {
		return wanted, fmt.Errorf("reading $%s: %w", execInfo, err)
	}
	return wanted, nil
}

// context returns the context of the platform that the cluster is of: the one that the kubeconfig names, unless that is called
// something else since; empty: the kubeconfig does not say, so it is the one that is chosen.
func (r *execRequest) context(named string) (string, error) {
	file, err := config.Load()
	if err != nil {
		return "", err
	}
	if r.Spec.Cluster.Config.API == "" || named != "" && file.Find(named) != nil {
		return named, nil
	}
	there := file.FindServer(r.Spec.Cluster.Config.API)
	if there == nil {
		return "", &output.Error{
			Exit: output.ExitForbidden, What: "you have never logged in to " + r.Spec.Cluster.Config.API, Next: self() + " login " + r.Spec.Cluster.Config.API,
		}
	}
	return there.Name, nil
}

// credential returns what the person is known by. Where there is nothing any more, and somebody who could do it, it logs in.
func (s *session) credential(ctx context.Context, interactive bool) (*credential.Credential, error) {
	if s.current.Token != "" {
		return &credential.Credential{Token: s.current.Token, Expiry: credential.ExpiryOf(s.current.Token)}, nil
	}
	c, err := s.store.Token(ctx)
	if !errors.Is(err, credential.ErrLoggedOut) || !interactive || !output.IsTerminal(s.err) {
		return c, err
	}
	if c, err = s.logIn(ctx, "", !credential.HasBrowser()); err != nil {
		return nil, err
	}
	return c, s.store.Save(ctx, c)
}
