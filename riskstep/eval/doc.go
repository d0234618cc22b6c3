// Package eval measures the risk model: it owns a generator of logins, attackers, the models that others publish, the
// replay of recorded logins, and the report. It never decides about a person, never tunes the model, and its figures
// compare models in one world: they are no detection rates.
package eval
