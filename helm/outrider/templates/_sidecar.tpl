{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/*
The sidecar for anyone's pod. A chart that has this one as a dependency includes these templates in its own
pod template (docs/kubernetes.md, examples/helm-consumer):

    {{- $outrider := dict "root" $ "sidecar" .Values.outrider.sidecar "upstreamPort" 8080 }}
    metadata:
      labels: {{- include "outrider.sidecar.labels" $outrider | nindent 8 }}
    spec:
      {{- with include "outrider.sidecar.initContainers" $outrider }}
      initContainers: {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: model
          …
        {{- include "outrider.sidecar.containers" $outrider | nindent 8 }}
      volumes: {{- include "outrider.sidecar.volumes" $outrider | nindent 8 }}

and lets its Service's targetPort be `{{ .Values.outrider.sidecar.proxyPort }}`.

    root          the including chart's `$`
    sidecar       the settings: `sidecar` in this chart's values.yaml
    upstreamPort  the port on which the model listens in the pod; or
    upstream      the whole address, e.g. "unix:/run/model.sock"
*/}}

{{/* "native" or "container". */}}
{{- define "outrider.sidecar.mode" -}}
{{- if ne .sidecar.mode "auto" -}}
{{- .sidecar.mode -}}
{{- else if semverCompare ">=1.29.0-0" .root.Capabilities.KubeVersion.Version -}}
native
{{- else -}}
container
{{- end -}}
{{- end -}}

{{/* Items for `initContainers`; nothing where the sidecar is an ordinary container. */}}
{{- define "outrider.sidecar.initContainers" -}}
{{- if eq (include "outrider.sidecar.mode" .) "native" -}}
{{- include "outrider.sidecar" . -}}
{{- end -}}
{{- end -}}

{{/* Items for `containers`; nothing where the sidecar is a native one. */}}
{{- define "outrider.sidecar.containers" -}}
{{- if eq (include "outrider.sidecar.mode" .) "container" -}}
{{- include "outrider.sidecar" . -}}
{{- end -}}
{{- end -}}

{{/* Labels of the pod: the headless Service, the PodMonitor and the agent's label fan-out go by it. */}}
{{- define "outrider.sidecar.labels" -}}
outrider.io/sidecar: "true"
{{- end -}}

{{/* Items for `volumes`. */}}
{{- define "outrider.sidecar.volumes" -}}
- name: outrider-data
  {{- toYaml (default (dict "emptyDir" dict) .sidecar.data.volume) | nindent 2 }}
{{- with .sidecar.model.configMap }}
- name: outrider-model
  configMap:
    name: {{ . }}
{{- end }}
{{- with .sidecar.reference.volume }}
- name: outrider-references
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if include "outrider.tls.isGiven" .sidecar.tls }}
- name: outrider-tls
  {{- include "outrider.tls.volume" .sidecar.tls | nindent 2 }}
{{- end }}
{{- if include "outrider.tls.isGiven" .sidecar.webTls }}
- name: outrider-web-tls
  {{- include "outrider.tls.volume" .sidecar.webTls | nindent 2 }}
{{- end }}
{{- with .sidecar.auth.tokensSecret }}
- name: outrider-tokens
  secret:
    secretName: {{ . }}
{{- end }}
{{- if and .sidecar.truth.urls .sidecar.truth.existingSecret }}
- name: outrider-token
  secret:
    secretName: {{ .sidecar.truth.existingSecret }}
{{- end }}
{{- if and .sidecar.truth.kafka.brokers .sidecar.truth.kafka.existingSecret }}
- name: outrider-kafka
  secret:
    secretName: {{ .sidecar.truth.kafka.existingSecret }}
{{- end }}
{{- end -}}

{{/* Whether `tls` or `webTls` names a certificate: "true" or nothing. */}}
{{- define "outrider.tls.isGiven" -}}
{{- if or .existingSecret .volume -}}true{{- end -}}
{{- end -}}

{{/* Where its files come from, as the rest of an item of `volumes`. */}}
{{- define "outrider.tls.volume" -}}
{{- if .existingSecret -}}
secret:
  secretName: {{ .existingSecret }}
{{- else -}}
{{- toYaml .volume -}}
{{- end -}}
{{- end -}}

{{/* Options of one port: prefix "tls." or "web.tls-", directory, tls. */}}
{{- define "outrider.tls.args" -}}
- --{{ .prefix }}cert-dir={{ .directory }}
{{- if .tls.requireClientCertificate }}
- --{{ .prefix }}require-client-certificate
{{- end }}
{{- range .tls.clientNames }}
- --{{ $.prefix }}client-name={{ . }}
{{- end }}
{{- end -}}

{{/*
The container, one item of a list. Its probes ask the proxy and never the monitor: whatever happens to the
analytics, the pod stays ready.
*/}}
{{- define "outrider.sidecar" -}}
{{- $mode := include "outrider.sidecar.mode" . -}}
{{- $settings := .sidecar -}}
{{- $upstream := .upstream -}}
{{- if not $upstream -}}
{{- $upstream = printf "http://127.0.0.1:%v" (required "outrider.sidecar: upstreamPort (where the model listens) or upstream is needed" .upstreamPort) -}}
{{- end -}}
- name: outrider-sidecar
  image: {{ include "outrider.image" (dict "image" $settings.image) | quote }}
  imagePullPolicy: {{ $settings.image.pullPolicy }}
  {{- if eq $mode "native" }}
  restartPolicy: Always
  {{- end }}
  args:
    - --upstream={{ $upstream }}
    - --proxy.listen-address=0.0.0.0:{{ $settings.proxyPort }}
    # Two words: the value may be empty.
    - --proxy.reserved-path
    - {{ $settings.reservedPath | quote }}
    - --web.listen-address=0.0.0.0:{{ $settings.adminPort }}
    - --data.dir=/var/lib/outrider
    - --monitor.memory-max={{ $settings.monitorMemoryMax }}
    {{- if and (eq $mode "container") $settings.drainDelaySeconds }}
    - --proxy.drain-delay={{ $settings.drainDelaySeconds }}s
    {{- end }}
    {{- if $settings.model.configMap }}
    - --model.config=/etc/outrider/model/{{ $settings.model.key }}
    {{- end }}
    {{- if $settings.reference.volume }}
    - --reference=/etc/outrider/references{{ with $settings.reference.path }}/{{ . }}{{ end }}
    {{- end }}
    {{- if include "outrider.tls.isGiven" $settings.tls }}
    {{- include "outrider.tls.args" (dict "prefix" "tls." "directory" "/etc/outrider/tls" "tls" $settings.tls) | nindent 4 }}
    {{- end }}
    {{- if include "outrider.tls.isGiven" $settings.webTls }}
    {{- include "outrider.tls.args" (dict "prefix" "web.tls-" "directory" "/etc/outrider/web-tls" "tls" $settings.webTls) | nindent 4 }}
    {{- end }}
    {{- if $settings.auth.tokensSecret }}
    - --web.tokens-file=/etc/outrider/tokens/{{ $settings.auth.tokensKey }}
    {{- end }}
    {{- range $settings.truth.urls }}
    - --truth.url={{ . }}
    {{- end }}
    {{- include "outrider.kafka.args" $settings.truth.kafka | nindent 4 }}
    {{- if or $settings.truth.urls $settings.truth.kafka.brokers }}
    - --truth.workload={{ required "outrider.sidecar: truth.workload (the label job of its metrics) is needed with truth.urls and truth.kafka" $settings.truth.workload }}
    - --truth.namespace=$(OUTRIDER_POD_NAMESPACE)
    - --truth.pod=$(OUTRIDER_POD_NAME)
    {{- with ((.root.Values).monitoring).cluster }}
    - --truth.cluster={{ . }}
    {{- end }}
    {{- if $settings.truth.existingSecret }}
    - --truth.bearer-token-file=/etc/outrider/token/{{ $settings.truth.key }}
    {{- end }}
    {{- end }}
    - --log.level={{ $settings.log.level }}
    - --log.format={{ $settings.log.format }}
    {{- with $settings.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or $settings.truth.urls $settings.truth.kafka.brokers $settings.extraEnv $settings.auth.tokensSecret }}
  env:
    {{- if $settings.auth.tokensSecret }}
    - name: OUTRIDER_WEB_NAMESPACE
      valueFrom:
        fieldRef:
          fieldPath: metadata.namespace
    {{- end }}
    {{- if or $settings.truth.urls $settings.truth.kafka.brokers }}
    - name: OUTRIDER_POD_NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    - name: OUTRIDER_POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    {{- end }}
    {{- with $settings.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  ports:
    - name: outrider-proxy
      containerPort: {{ $settings.proxyPort }}
      protocol: TCP
    - name: outrider-admin
      containerPort: {{ $settings.adminPort }}
      protocol: TCP
  startupProbe:
    {{- include "outrider.sidecar.probe" (dict "sidecar" $settings "path" "healthy") | nindent 4 }}
    periodSeconds: 1
    failureThreshold: 60
  readinessProbe:
    {{- include "outrider.sidecar.probe" (dict "sidecar" $settings "path" "ready") | nindent 4 }}
    periodSeconds: 5
    timeoutSeconds: 5
  livenessProbe:
    {{- include "outrider.sidecar.probe" (dict "sidecar" $settings "path" "healthy") | nindent 4 }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  {{- with $settings.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $settings.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: outrider-data
      mountPath: /var/lib/outrider
    {{- if $settings.model.configMap }}
    - name: outrider-model
      mountPath: /etc/outrider/model
      readOnly: true
    {{- end }}
    {{- if $settings.reference.volume }}
    - name: outrider-references
      mountPath: /etc/outrider/references
      readOnly: true
    {{- end }}
    {{- if include "outrider.tls.isGiven" $settings.tls }}
    - name: outrider-tls
      mountPath: /etc/outrider/tls
      readOnly: true
    {{- end }}
    {{- if include "outrider.tls.isGiven" $settings.webTls }}
    - name: outrider-web-tls
      mountPath: /etc/outrider/web-tls
      readOnly: true
    {{- end }}
    {{- if $settings.auth.tokensSecret }}
    - name: outrider-tokens
      mountPath: /etc/outrider/tokens
      readOnly: true
    {{- end }}
    {{- if and $settings.truth.urls $settings.truth.existingSecret }}
    - name: outrider-token
      mountPath: /etc/outrider/token
      readOnly: true
    {{- end }}
    {{- if and $settings.truth.kafka.brokers $settings.truth.kafka.existingSecret }}
    - name: outrider-kafka
      mountPath: /etc/outrider/kafka
      readOnly: true
    {{- end }}
{{- end -}}

{{/* The kubelet shows no certificate: where one is required, it can only see whether somebody listens. */}}
{{- define "outrider.sidecar.probe" -}}
{{- if and .sidecar.reservedPath (not .sidecar.tls.requireClientCertificate) -}}
httpGet:
  path: {{ .sidecar.reservedPath }}/{{ .path }}
  port: {{ .sidecar.proxyPort }}
  {{- if include "outrider.tls.isGiven" .sidecar.tls }}
  scheme: HTTPS
  {{- end }}
{{- else -}}
tcpSocket:
  port: {{ .sidecar.proxyPort }}
{{- end -}}
{{- end -}}
