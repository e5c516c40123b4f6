package accounts

import (
	"strings"
	"time"

	"steward/internal/db"
	"steward/internal/id"
)

// DeviceLife is how long a browser keeps the secret by which it is known again: as long as
// browsers keep any. One that was not seen for so long is forgotten.
const DeviceLife = 400 * 24 * time.Hour

// Device names the browser and the system of a User-Agent header, as well as such a
// header tells them: "Firefox on Windows". It is for people to recognize their own.
func Device(userAgent string) string {
	browser := first(userAgent, "Unknown program", [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	})
	system := first(userAgent, "", [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

// first gives the name of the first mark that a text holds: browsers also carry the
// marks of those that they descend from.
func first(text, otherwise string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(text, m[0]) {
			return m[1]
		}
	}
	return otherwise
}

// remember makes a browser known to be a person's, and reports whether it was not before.
func remember(tx *db.Tx, user int64, device string) (stranger bool, err error) {
	if device == "" {
		return false, nil
	}
	token := id.Digest(device)
	n, err := tx.Exec("UPDATE devices SET last_seen_at = $3 WHERE user_id = $1 AND token_hash = $2", user, token, tx.Now)
	if err != nil || n > 0 {
		return false, err
	}
	_, err = tx.Exec("INSERT INTO devices (user_id, token_hash, created_at, last_seen_at) VALUES ($1, $2, $3, $3) ON CONFLICT (user_id, token_hash) DO UPDATE SET last_seen_at = excluded.last_seen_at", user, token, tx.Now)
	return true, err
}

// known reports whether a person has signed in with this browser before.
func known(tx *db.Tx, user int64, device string) (bool, error) {
	if device == "" {
		return false, nil
	}
	n, err := db.Value[int64](tx, "SELECT count(*) FROM devices WHERE user_id = $1 AND token_hash = $2", user, id.Digest(device))
	return n > 0, err
}

// forgetOthers makes every browser of a person a stranger but one: whoever knew the old
// password may have signed in with any of them.
func forgetOthers(tx *db.Tx, user int64, device string) error {
	_, err := tx.Exec("DELETE FROM devices WHERE user_id = $1 AND token_hash <> $2", user, id.Digest(device))
	return err
}
