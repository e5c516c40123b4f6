package jobs

// SearchWithin is Search that looks at so many jobs at most.
var SearchWithin = (*Service).search

// FirstOfProjects is the query for the jobs that are the first of their project.
var FirstOfProjects = firstOfProjects

// Reap is one look for leases that have ended.
var Reap = (*Service).reapOnce
