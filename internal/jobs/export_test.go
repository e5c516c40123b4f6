package jobs

// SearchWithin is Search that looks at so many jobs at most.
var SearchWithin = (*Service).search

// FirstOfProjects is the query for the jobs that are the first of their project.
const FirstOfProjects = firstOfProjects
