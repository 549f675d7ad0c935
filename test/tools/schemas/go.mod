// Not built: only the definitions of objects inside these modules are read (convert.py).
module github.com/outrider/outrider/test/tools/schemas

go 1.27.3

require (
	github.com/kserve/kserve v0.15.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	k8s.io/kubernetes v1.36.3
)
