package ui

import (
	"fmt"
	"slices"
	"strings"
)

// sparkLine is the path of a sparkline in a box of 100 by 32.
func sparkLine(points []float64) string {
	var b strings.Builder
	for i, p := range points {
		step := 'L'
		if i == 0 {
			step = 'M'
		}
		x := float64(i) / float64(max(len(points)-1, 1)) * 100
		fmt.Fprintf(&b, "%c%.1f %.1f", step, x, sparkHeight(points, p))
	}
	return b.String()
}

// sparkEnd is a dot on the last point.
func sparkEnd(points []float64) string {
	return fmt.Sprintf("M100 %.1fh0", sparkHeight(points, points[len(points)-1]))
}

func sparkHeight(points []float64, p float64) float64 {
	low, high := slices.Min(points), slices.Max(points)
	if high == low {
		return 30
	}
	return 30 - (p-low)/(high-low)*26
}
