package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"
)

// A clock may be put back, and a table then has a past that lies in the future. The
// library follows nothing that comes later than now. So while a change is staged, the
// whole past of such a table is moved back to end now, and when the metadata is written
// it gets its times back; what is new then happened when the last change did.

// pastOf returns the table as a change may follow it.
func (f *files) pastOf(t *table.Table) (*table.Table, error) {
	now := time.Now().UnixMilli()
	last := t.Metadata().LastUpdatedMillis()
	for entry := range t.Metadata().SnapshotLogs() {
		last = max(last, entry.TimestampMs)
	}
	if last <= now {
		return t, nil
	}
	content, err := json.Marshal(t.Metadata())
	if err != nil {
		return nil, err
	}
	if content, err = retime(content, func(ms int64) int64 { return ms - (last - now) }); err != nil {
		return nil, err
	}
	meta, err := table.ParseMetadataBytes(content)
	if err != nil {
		return nil, err
	}
	f.now, f.last = now, last
	return tableOf(f, meta, t.MetadataLocation()), nil
}

// restored gives metadata the times back that pastOf has moved.
func (f *files) restored(content []byte) ([]byte, error) {
	if f.last == 0 {
		return content, nil
	}
	return retime(content, func(ms int64) int64 {
		if ms > f.now {
			return max(ms, f.last)
		}
		return ms + (f.last - f.now)
	})
}

// retime changes all times of metadata, and nothing else.
func retime(content []byte, change func(ms int64) int64) ([]byte, error) {
	var meta map[string]json.RawMessage
	if err := json.Unmarshal(content, &meta); err != nil {
		return nil, fmt.Errorf("engine: times of metadata: %w", err)
	}
	if err := retimeField(meta, "last-updated-ms", change); err != nil {
		return nil, err
	}
	for _, name := range []string{"snapshots", "snapshot-log", "metadata-log"} {
		if meta[name] == nil {
			continue
		}
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(meta[name], &list); err != nil {
			return nil, fmt.Errorf("engine: times of metadata: %s: %w", name, err)
		}
		for _, entry := range list {
			if err := retimeField(entry, "timestamp-ms", change); err != nil {
				return nil, err
			}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, fmt.Errorf("engine: times of metadata: %s: %w", name, err)
		}
		meta[name] = text
	}
	return json.Marshal(meta)
}

func retimeField(object map[string]json.RawMessage, name string, change func(ms int64) int64) error {
	ms, err := strconv.ParseInt(string(object[name]), 10, 64)
	if err != nil {
		return fmt.Errorf("engine: times of metadata: %s: %w", name, err)
	}
	object[name] = strconv.AppendInt(nil, change(ms), 10)
	return nil
}
