{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* The release's name for this chart. */}}
{{- define "outrider.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names are cut at 48 so that the longest suffix below still fits a Service's 63 characters. */}}
{{- define "outrider.agent.fullname" -}}{{ include "outrider.fullname" . }}-agent{{- end -}}
{{- define "outrider.demo.fullname" -}}{{ include "outrider.fullname" . }}-demo{{- end -}}
{{- define "outrider.labelsService.fullname" -}}{{ include "outrider.fullname" . }}-sidecars{{- end -}}

{{- define "outrider.agent.serviceAccountName" -}}
{{- if .Values.agent.serviceAccount.create -}}
{{- default (include "outrider.agent.fullname" .) .Values.agent.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.agent.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels that select: dict "root" . "component" "agent". */}}
{{- define "outrider.selectorLabels" -}}
app.kubernetes.io/name: {{ include "outrider.name" (dict "root" .root "component" .component) }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The demo is an application of its own: `job` and the agent's scale action go by this name. */}}
{{- define "outrider.name" -}}
{{- if eq .component "model" -}}house-price{{- else -}}
{{- default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* All labels: dict "root" . "component" "agent". */}}
{{- define "outrider.labels" -}}
{{ include "outrider.selectorLabels" . }}
app.kubernetes.io/part-of: outrider
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a monitoring object: dict "root" . "component" "…" "extra" (labels of this one). */}}
{{- define "outrider.monitoringLabels" -}}
{{- $labels := include "outrider.labels" . | fromYaml -}}
{{- toYaml (mergeOverwrite $labels .root.Values.monitoring.labels .extra) -}}
{{- end -}}

{{/* The version of the programs, for charts that include the sidecar: their own .Chart is another one. */}}
{{- define "outrider.appVersion" -}}0.1.0{{- end -}}

{{/* dict "image" …: registry/repository:tag or registry/repository@digest. */}}
{{- define "outrider.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" .image.registry $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default (include "outrider.appVersion" .) .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* "https" where the agent speaks TLS. */}}
{{- define "outrider.agent.scheme" -}}
http{{ if include "outrider.tls.isGiven" .Values.agent.tls }}s{{ end }}
{{- end -}}

{{/* The pods of a pair of agents. */}}
{{- define "outrider.agent.pairSelector" -}}
matchLabels:
  app.kubernetes.io/instance: {{ .Release.Name }}
  app.kubernetes.io/name: {{ include "outrider.name" (dict "root" . "component" "agent") }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [agent, agent-2]
{{- end -}}

{{/* The agent's affinity; of a pair no two on one node. */}}
{{- define "outrider.agent.apart" -}}
{{- $affinity := deepCopy .Values.agent.affinity -}}
{{- if and .Values.agent.truth.enabled .Values.agent.truth.pair (not (hasKey $affinity "podAntiAffinity")) -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (include "outrider.agent.pairSelector" . | fromYaml) -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- end -}}
{{- if $affinity -}}{{- toYaml $affinity -}}{{- end -}}
{{- end -}}

{{/* Options of Kafka, of agents and sidecars; nothing without brokers. The Secret lies in /etc/outrider/kafka. */}}
{{- define "outrider.kafka.args" -}}
{{- if .brokers -}}
- --truth.kafka.brokers={{ join "," .brokers }}
- --truth.kafka.topic={{ .topic }}
{{- if .tls }}
- --truth.kafka.tls
{{- if .existingSecret }}
- --truth.kafka.tls-ca=/etc/outrider/kafka/ca.crt
{{- end }}
{{- end }}
{{- if .saslMechanism }}
- --truth.kafka.sasl-mechanism={{ .saslMechanism }}
- --truth.kafka.sasl-user={{ .saslUser }}
- --truth.kafka.sasl-password-file=/etc/outrider/kafka/password
{{- end }}
{{- end -}}
{{- end -}}

{{/* Of both agents of a pair: who may ask, and as whom the other is asked. */}}
{{- define "outrider.agent.access" -}}
{{- $agent := .Values.agent -}}
{{- if $agent.auth.existingSecret }}
- --truth.peer-bearer-token-file=/etc/outrider/token/{{ $agent.auth.key }}
- --web.bearer-token-file=/etc/outrider/token/{{ $agent.auth.key }}
{{- end }}
{{- if $agent.auth.tokensSecret }}
- --web.tokens-file=/etc/outrider/tokens/{{ $agent.auth.tokensKey }}
{{- end }}
{{- if include "outrider.tls.isGiven" $agent.tls }}
{{ include "outrider.tls.args" (dict "prefix" "web.tls-" "directory" "/etc/outrider/tls" "tls" $agent.tls) }}
- --truth.peer.tls-cert-dir=/etc/outrider/tls
{{- end }}
{{- end -}}

{{/* The kubelet shows no certificate: where one is required, it can only see whether somebody listens. */}}
{{- define "outrider.agent.probe" -}}
{{- if .agent.tls.requireClientCertificate -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if include "outrider.tls.isGiven" .agent.tls }}
  scheme: HTTPS
  {{- end }}
{{- end -}}
{{- end -}}
