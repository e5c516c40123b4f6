package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what the operations listener reports, in Prometheus' text format.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	commits  prometheus.Histogram
}

func newMetrics(a *App) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "steward_http_request_seconds", Help: "Time of HTTP requests by route and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300},
		}, []string{"method", "route", "status"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "steward_db_commit_seconds", Help: "Time of commits of the metadata database.",
			Buckets: []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
		}),
	}
	m.registry.MustRegister(m.requests, m.commits, &queueCollector{a: a}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request notes one answered request. Route is the pattern, not the address.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *Metrics) committed(took time.Duration) { m.commits.Observe(took.Seconds()) }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// queueCollector asks the queue when metrics are read.
type queueCollector struct{ a *App }

func (c *queueCollector) descs() (state, oldest, lost, finished *prometheus.Desc) {
	return prometheus.NewDesc("steward_jobs", "Unfinished jobs by state.", []string{"state"}, nil),
		prometheus.NewDesc("steward_jobs_oldest_waiting_seconds", "Age of the oldest waiting job.", nil, nil),
		prometheus.NewDesc("steward_jobs_lost_leases_total", "Runs of this process that lost their lease.", nil, nil),
		prometheus.NewDesc("steward_jobs_finished_total", "Jobs that this process finished.", []string{"state"}, nil)
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	state, oldest, lost, finished := c.descs()
	for _, d := range []*prometheus.Desc{state, oldest, lost, finished} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	state, oldest, lost, finished := c.descs()
	success, failed := c.a.Jobs.FinishedJobs()
	ch <- prometheus.MustNewConstMetric(lost, prometheus.CounterValue, float64(c.a.Jobs.LostLeases()))
	ch <- prometheus.MustNewConstMetric(finished, prometheus.CounterValue, float64(success), "success")
	ch <- prometheus.MustNewConstMetric(finished, prometheus.CounterValue, float64(failed), "error")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	b, err := c.a.Jobs.Backlog(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(state, err)
		return
	}
	var age float64
	if !b.Oldest.IsZero() {
		age = max(0, c.a.DB.Now().Sub(b.Oldest).Seconds()) // the clock may have been put back
	}
	ch <- prometheus.MustNewConstMetric(state, prometheus.GaugeValue, float64(b.Waiting), "waiting")
	ch <- prometheus.MustNewConstMetric(state, prometheus.GaugeValue, float64(b.Processing), "processing")
	ch <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, age)
}
