// Package errorsx has what fosite calls of the package of that name: errors with facts for an answer.
package errorsx

// WithStack returns err. Nobody reads the stacks here, and gathering them costs more than the request does.
func WithStack(err error) error { return err }

// Cause returns the innermost error that err was made from, as far as each tells its cause.
func Cause(err error) error {
	for err != nil {
		c, ok := err.(interface{ Cause() error })
		if !ok || c.Cause() == nil {
			return err
		}
		err = c.Cause()
	}
	return nil
}

// The facts that an error may carry.
type (
	StatusCodeCarrier interface{ StatusCode() int }
	RequestIDCarrier  interface{ RequestID() string }
	ReasonCarrier     interface{ Reason() string }
	DebugCarrier      interface{ Debug() string }
	StatusCarrier     interface{ Status() string }
	DetailsCarrier    interface{ Details() map[string]any }
)
