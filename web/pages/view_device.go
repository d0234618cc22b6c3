package pages

import "time"

// DeviceCode asks for the code that a device shows. It posts user_code, csrf to /device. RFC 8628 §3.3.
type DeviceCode struct {
	Form
	Code    string // as the device's link had it, or as it was typed; kept
	Fault   Fault
	RetryIn time.Duration
}

// DeviceConfirm asks whether the device is the person's own. It posts decision (no or yes), user_code, csrf to /device.
// RFC 8628 §5.4.
type DeviceConfirm struct {
	Form
	Client  Party
	Code    string // XXXX-XXXX
	Device  string // what it calls itself, "Firefox on Linux"; "" shows nothing
	There   string // the country where it is, ISO 3166-1 alpha-2; "" is not known
	Here    string // … and where the person is
	Far     Far    // how far apart they are
	Near    bool   // the device is in the same network as the person
	Away    bool   // it is in another country, or one of both places is not known
	Passkey bool   // … for which a passkey is needed
}

// DeviceDone says what came of it, at the end.
type DeviceDone struct {
	Client    Party
	Connected bool
	Late      bool // not connected, since the code has expired meanwhile
	Unmet     bool // not connected, since the account cannot prove enough
}

func (DeviceCode) page() string    { return "device" }
func (DeviceConfirm) page() string { return "deviceconfirm" }
func (DeviceDone) page() string    { return "devicedone" }

// apart is how far away something is, in words; "" where that cannot be told.
func (w words) apart(f Far) string {
	if !f.Known {
		return ""
	}
	if km := round(f.Km, f.Off); km > 0 {
		return w.c.T(w.l, "sess.far", w.number(km))
	}
	return w.c.T(w.l, "sess.near")
}
