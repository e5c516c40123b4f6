package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"steward/views/paths"
)

// memory measures the most memory that a server takes for a file that is larger than
// the large one: its load with a primary key, whose rows are then more than are held in
// memory, and a preview after it.
func (b *bench) memory(ctx context.Context) ([]Row, error) {
	name := filepath.Join(b.dir, "larger.csv")
	b.say("writing a file of %d rows", b.large)
	if err := writeOrders(name, b.large); err != nil {
		return nil, err
	}
	ours := Series{}
	for range b.rounds {
		if err := b.memoryThrough(ctx, name, ours); err != nil {
			return nil, err
		}
	}
	what := fmt.Sprintf("keyed load of %d rows: ", b.large)
	return []Row{
		{What: what + "job", Unit: "s", Steward: ours["job"]},
		{What: what + "processor time of the job", Unit: "s", Steward: ours["cpu"]},
		{What: what + "most memory of the server", Unit: "MB", Steward: ours["load"], Compare: Figure, Want: 300},
		{What: what + "most memory with a preview after it", Unit: "MB", Steward: ours["preview"], Compare: Figure, Want: 300},
		{What: what + "the preview after it", Unit: "ms", Steward: ours["page"]},
	}, os.Remove(name)
}

func (b *bench) memoryThrough(ctx context.Context, name string, out Series) error {
	w, err := b.makeFolder(ctx, "memory", 1, nil)
	if err != nil {
		return err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return err
	}
	defer func() {
		_ = s.stop()
		_ = os.RemoveAll(w.data)
	}()
	file, err := br.upload(ctx, w.project, name)
	if err != nil {
		return err
	}
	t, spent, err := br.run(ctx, s, w.project, func() (int64, error) {
		return br.load(ctx, w.project, file, "orders", url.Values{"key": {ordersKey}})
	})
	if err != nil {
		return err
	}
	out.add("job", t.took().Seconds())
	out.add("cpu", spent)
	out.add("load", memory(s.pid(), "VmHWM"))
	took, err := br.time(ctx, paths.TablePreview(w.project, table))
	out.add("page", milliseconds(took))
	out.add("preview", memory(s.pid(), "VmHWM"))
	return err
}
