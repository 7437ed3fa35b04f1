// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// Operation is how far a change has come. It is made of the record of the change and of what the object says of itself: there is
// nothing else that could be wrong.
type Operation struct {
	ID             string          `json:"id" doc:"Names the operation in the project."`
	Type           string          `json:"type" doc:"What is done." enum:"Create,Update,Delete"`
	Resource       string          `json:"resource" doc:"To what kind of object, for example clusters."`
	Name           string          `json:"name" doc:"To which object."`
	Project        string          `json:"project,omitempty" doc:"The project that the object is in."`
	User           string          `json:"user" doc:"Who has asked for it."`
	State          OperationState  `json:"state" doc:"How it is."`
	Progress       int             `json:"progress" minimum:"0" maximum:"100" doc:"How many percent of its steps are done."`
	Steps          []OperationStep `json:"steps" doc:"What is to be done, in no strict order: much of it happens at the same time."`
	Message        string          `json:"message,omitempty" doc:"What it waits for."`
	StartTime      time.Time       `json:"startTime" doc:"When it was asked for."`
	ElapsedSeconds int64           `json:"elapsedSeconds" doc:"For how long it has been going on."`
	TypicalSeconds int64           `json:"typicalSeconds,omitempty" doc:"How long it usually takes."`
	Errors         []ProblemItem   `json:"errors,omitempty" doc:"Why it has failed, or why nothing happens."`
}

// OperationState is how an operation is.
type OperationState string

// The states of an operation.
const (
	OperationRunning    OperationState = "Running"
	OperationSucceeded  OperationState = "Succeeded"
	OperationFailed     OperationState = "Failed"
	OperationSuperseded OperationState = "Superseded"
)

// OperationStep is a part of an operation.
type OperationStep struct {
	Name    string         `json:"name" doc:"What it is about, for example etcd."`
	State   OperationState `json:"state" doc:"How it is."`
	Message string         `json:"message,omitempty" doc:"What it waits for."`
}

// operationTypes are the types of what the verbs do.
var operationTypes = map[string]string{"create": "Create", "update": "Update", "patch": "Update", "delete": "Delete"}

// typicalSeconds is how long things usually take.
var typicalSeconds = map[string]int64{
	"clusters/Create": 20, "clusters/Update": 20, "clusters/Delete": 20, "nodepools/Create": 30, "nodepools/Update": 30, "nodepools/Delete": 20,
	"projects/Create": 1, "projects/Update": 1, "projects/Delete": 10,
}

// operationOf says how far a recorded change of an object has come; the object is nil if there is none of that name.
func operationOf(record *v1alpha1.AuditRecord, object kube.Conditioned, now time.Time) Operation {
	op := Operation{
		ID: record.Name, Type: operationTypes[record.Spec.Verb], Resource: record.Spec.Resource, Name: nameIn(record), Project: record.Spec.Project,
		User: record.Spec.User, StartTime: record.Spec.Time.UTC(), Steps: []OperationStep{}, State: OperationRunning,
	}
	op.TypicalSeconds = typicalSeconds[op.Resource+"/"+op.Type]
	switch {
	case record.Result == nil:
		op.Message = "the server has not recorded what came of it"
		if now.Sub(op.StartTime) > patience {
			op.State = OperationFailed
		}
	case record.Result.Code != "":
		op.State, op.Message = OperationFailed, record.Result.Detail
		op.Errors = []ProblemItem{{Message: record.Result.Code + ": " + record.Result.Detail}}
		return op
	case op.Type == "Delete":
		op.deletion(object, record)
	default:
		op.reconciliation(object, record)
	}
	if op.State == OperationRunning {
		op.ElapsedSeconds = int64(max(0, now.Sub(op.StartTime)).Seconds())
	}
	return op
}

func nameIn(record *v1alpha1.AuditRecord) string {
	if record.Result != nil && record.Result.Name != "" {
		return record.Result.Name
	}
	return record.Spec.Name
}

// deletion is done when the object is gone, or another has its name.
func (op *Operation) deletion(object kube.Conditioned, record *v1alpha1.AuditRecord) {
	if object == nil || isAnother(object, record) {
		op.State, op.Progress = OperationSucceeded, 100
		return
	}
	if condition := readyOf(object); condition != nil {
		op.Message = condition.Message
	}
	op.Steps = []OperationStep{{Name: "deletion", State: OperationRunning, Message: op.Message}}
}

func isAnother(object kube.Conditioned, record *v1alpha1.AuditRecord) bool {
	uid := record.Result.UID
	return uid != "" && string(object.GetUID()) != uid || object.GetCreationTimestamp().After(record.Spec.Time.Add(time.Second))
}

func readyOf(object kube.Conditioned) *metav1.Condition {
	return meta.FindStatusCondition(*object.StatusConditions(), v1alpha1.ConditionReady)
}

// reconciliation is done when the object says that it is ready, with everything that it was told then.
func (op *Operation) reconciliation(object kube.Conditioned, record *v1alpha1.AuditRecord) {
	switch {
	case object == nil || record.Result.UID != "" && string(object.GetUID()) != record.Result.UID:
		op.State, op.Message = OperationSuperseded, "it was deleted since"
		return
	case !object.GetDeletionTimestamp().IsZero():
		op.State, op.Message = OperationSuperseded, "it is being deleted"
		return
	}
	condition := readyOf(object)
	looked := condition != nil && condition.ObservedGeneration >= record.Result.Generation
	op.Steps = append(stepsOf(object), step("ready", looked && condition.Status == metav1.ConditionTrue, messageOf(condition)))
	if !looked {
		// What the steps say is of before.
		for i := range op.Steps {
			op.Steps[i].State = OperationRunning
		}
		op.Message = "no controller has looked at it yet"
		return
	}
	op.Progress = percent(op.Steps)
	if condition.Status == metav1.ConditionTrue {
		op.State, op.Progress = OperationSucceeded, 100
		op.ElapsedSeconds = int64(max(0, condition.LastTransitionTime.Sub(op.StartTime)).Seconds())
		return
	}
	op.Message = condition.Reason + ": " + condition.Message
	if needsSomebody(condition.Reason) {
		op.Errors = []ProblemItem{{Message: op.Message}}
	}
}

// needsSomebody reports whether a reason goes away by itself.
func needsSomebody(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonUnsupportedVersion, v1alpha1.ReasonDatacenterMissing, v1alpha1.ReasonPresetMissing,
		v1alpha1.ReasonSecretMissing, v1alpha1.ReasonSSHKeyMissing, v1alpha1.ReasonSeedMissing, v1alpha1.ReasonSeedDrained,
		v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonForbidden,
		hostingv1alpha1.ReasonUnauthenticated, hostingv1alpha1.ReasonUnauthorized, hostingv1alpha1.ReasonQuotaExceeded, hostingv1alpha1.ReasonConfiguration,
	}, reason)
}

// stepsOf are the parts of an object that say themselves how they are.
func stepsOf(object kube.Conditioned) []OperationStep {
	cluster, ok := object.(*v1alpha1.Cluster)
	if !ok {
		return nil
	}
	steps := []OperationStep{step("placement", cluster.Status.ID != "", "no seed was chosen yet")}
	for _, component := range cluster.Status.Components {
		steps = append(steps, step(component.Name, component.Ready, component.Message))
	}
	steps = append(steps, step("endpoint", cluster.Status.Endpoint != "", "there is no address yet"))
	for _, pool := range cluster.Status.NodePools {
		steps = append(steps, step("nodepool "+pool.Name, pool.Message == "", pool.Message))
	}
	return steps
}

func step(name string, done bool, message string) OperationStep {
	if done {
		return OperationStep{Name: name, State: OperationSucceeded}
	}
	return OperationStep{Name: name, State: OperationRunning, Message: message}
}

func messageOf(condition *metav1.Condition) string {
	if condition == nil {
		return ""
	}
	return condition.Message
}

func percent(steps []OperationStep) int {
	done := 0
	for _, s := range steps {
		if s.State == OperationSucceeded {
			done++
		}
	}
	return done * 100 / len(steps)
}
