{{- define "cropstream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Room for the longest suffix within the 63 characters of a DNS label. */}}
{{- define "cropstream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "cropstream.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "cropstream.releaseSelector" -}}
app.kubernetes.io/name: {{ include "cropstream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* For the components: dict "root" $ "component" "worker". */}}
{{- define "cropstream.selector" -}}
{{ include "cropstream.releaseSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "cropstream.labels" -}}
{{ include "cropstream.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cropstream
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cropstream.componentName" -}}
{{ include "cropstream.fullname" .root }}-{{ .component }}
{{- end }}

{{/* dict "image" .Values.image "default" .Chart.AppVersion */}}
{{- define "cropstream.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .default .image.tag }}
{{- end -}}
{{- end }}

{{- define "cropstream.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{ default (include "cropstream.componentName" .) $account.name }}
{{- else -}}
{{ default "default" $account.name }}
{{- end -}}
{{- end }}

{{/* The part of a pod's spec that does not depend on its containers. */}}
{{- define "cropstream.scheduling" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: {{ include "cropstream.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with concat .root.Values.imagePullSecrets $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* So that the death of a node or a zone takes as few as can be. */}}
{{- define "cropstream.spread" -}}
topologySpreadConstraints:
{{- with (index .root.Values .component).topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "cropstream.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{- define "cropstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .uid }}
runAsGroup: {{ .gid }}
fsGroup: {{ .gid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "cropstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Nothing: the component speaks no TLS. */}}
{{- define "cropstream.tlsSecret" -}}
{{- if eq .component "worker" -}}
{{ .root.Values.security.tls.workerSecret }}
{{- else -}}
{{ .root.Values.security.tls.coordinatorSecret }}
{{- end -}}
{{- end }}

{{- define "cropstream.probeScheme" -}}
{{ include "cropstream.tlsSecret" . | empty | ternary "HTTP" "HTTPS" }}
{{- end }}

{{/* Kubernetes' own name for HTTP/2 without TLS; over TLS both ends agree on HTTP/2 by themselves. */}}
{{- define "cropstream.grpcAppProtocol" -}}
{{ include "cropstream.tlsSecret" . | empty | ternary "kubernetes.io/h2c" "https" }}
{{- end }}

{{- define "cropstream.httpPort" -}}
{{ eq .component "worker" | ternary 7402 7401 }}
{{- end }}

{{- define "cropstream.grpcPort" -}}
{{ eq .component "worker" | ternary 7410 7400 }}
{{- end }}

{{/* The last port of a component's gRPC: a worker's cells have one each. */}}
{{- define "cropstream.lastGrpcPort" -}}
{{- if eq .component "worker" -}}
{{ add 7409 .root.Values.worker.cells }}
{{- else -}}
7400
{{- end -}}
{{- end }}

{{- define "cropstream.redisUrl" -}}
{{- printf "redis://%s:6379" (include "cropstream.componentName" (dict "root" . "component" "redis")) -}}
{{- end }}

{{/* A variable whose value is a key of a Secret. */}}
{{- define "cropstream.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}

{{/* How Redis is reached: of every component that does. */}}
{{- define "cropstream.redisEnv" -}}
{{- $redis := .Values.redis -}}
{{- $external := .Values.externalRedis -}}
{{- if $redis.enabled }}
- name: REDIS_URL
  value: {{ include "cropstream.redisUrl" . }}
{{- with $redis.auth.existingSecret }}
{{ include "cropstream.secretEnv" (dict "name" "REDIS_PASSWORD" "secret" . "key" $redis.auth.key) }}
{{- end }}
{{- else }}
{{- if $external.url }}
- name: REDIS_URL
  value: {{ $external.url | quote }}
{{- else }}
{{ include "cropstream.secretEnv" (dict "name" "REDIS_URL" "secret" $external.urlSecret.name "key" $external.urlSecret.key) }}
{{- end }}
{{- with $external.passwordSecret }}
{{- if .name }}
{{ include "cropstream.secretEnv" (dict "name" "REDIS_PASSWORD" "secret" .name "key" .key) }}
{{- end }}
{{- end }}
{{- with $external.sentinels }}
- name: REDIS_SENTINELS
  value: {{ join "," . | quote }}
{{- end }}
{{- with $external.sentinelPasswordSecret }}
{{- if .name }}
{{ include "cropstream.secretEnv" (dict "name" "REDIS_SENTINEL_PASSWORD" "secret" .name "key" .key) }}
{{- end }}
{{- end }}
{{- with $external.ca }}
{{- if .existingSecret }}
- name: REDIS_TLS_CA
  value: /etc/cropstream/redis-ca/{{ .key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is mounted from Secrets and ConfigMaps, as folders: Kubernetes replaces those when they change. */}}
{{- define "cropstream.secretFiles" -}}
{{- $security := .root.Values.security -}}
{{- $tls := $security.tls -}}
{{- $files := list -}}
{{- with $security.token.existingSecret }}{{ $files = append $files (dict "name" "token" "secret" .) }}{{ end -}}
{{- with $security.tokens.existingSecret }}{{ $files = append $files (dict "name" "tokens" "secret" .) }}{{ end -}}
{{- with include "cropstream.tlsSecret" . }}{{ $files = append $files (dict "name" "tls" "secret" .) }}{{ end -}}
{{- with $tls.ca.existingSecret }}{{ $files = append $files (dict "name" "ca" "secret" .) }}{{ end -}}
{{- with $tls.clientCa.existingSecret }}{{ $files = append $files (dict "name" "client-ca" "secret" .) }}{{ end -}}
{{- if not .root.Values.redis.enabled -}}
{{- with .root.Values.externalRedis.ca.existingSecret }}{{ $files = append $files (dict "name" "redis-ca" "secret" .) }}{{ end -}}
{{- end -}}
{{- with .root.Values.customCA.secret }}{{ $files = append $files (dict "name" "custom-ca" "secret" .) }}{{ end -}}
{{- with .root.Values.customCA.configMap }}{{ $files = append $files (dict "name" "custom-ca" "configMap" .) }}{{ end -}}
{{- toYaml (dict "files" $files) -}}
{{- end }}

{{- define "cropstream.secretVolumes" -}}
{{- range (include "cropstream.secretFiles" . | fromYaml).files }}
- name: {{ .name }}
  {{- if .secret }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 288 # 0440
  {{- else }}
  configMap:
    name: {{ .configMap }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "cropstream.secretMounts" -}}
{{- range (include "cropstream.secretFiles" . | fromYaml).files }}
- name: {{ .name }}
  mountPath: /etc/cropstream/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* The variables of both services that the chart sets, then those of the component's own. */}}
{{- define "cropstream.env" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .component -}}
{{- $security := $root.Values.security -}}
{{- include "cropstream.redisEnv" $root }}
- name: CROPSTREAM_PREFIX
  value: {{ $root.Values.prefix | quote }}
- name: CROPSTREAM_HOST
  value: 0.0.0.0
- name: CROPSTREAM_PORT
  value: {{ include "cropstream.grpcPort" . | quote }}
- name: CROPSTREAM_HTTP_PORT
  value: {{ include "cropstream.httpPort" . | quote }}
- name: CROPSTREAM_GRACE
  value: {{ printf "%ds" (int $values.graceSeconds) }}
- name: CROPSTREAM_LOG_LEVEL
  value: {{ $values.logLevel }}
{{- if $security.token.existingSecret }}
- name: CROPSTREAM_TOKEN_FILE
  value: /etc/cropstream/token/{{ $security.token.key }}
{{- end }}
{{- if $security.tokens.existingSecret }}
- name: CROPSTREAM_TOKENS_FILE
  value: /etc/cropstream/tokens/{{ $security.tokens.key }}
{{- end }}
{{- with $security.roots }}
- name: CROPSTREAM_ROOTS
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "cropstream.tlsSecret" . }}
- name: CROPSTREAM_TLS_CERT
  value: /etc/cropstream/tls/tls.crt
- name: CROPSTREAM_TLS_KEY
  value: /etc/cropstream/tls/tls.key
{{- end }}
{{- if $security.tls.ca.existingSecret }}
- name: CROPSTREAM_TLS_CA
  value: /etc/cropstream/ca/{{ $security.tls.ca.key }}
{{- end }}
{{- if $security.tls.clientCa.existingSecret }}
- name: CROPSTREAM_TLS_CLIENT_CA
  value: /etc/cropstream/client-ca/{{ $security.tls.clientCa.key }}
{{- end }}
{{- if or $root.Values.customCA.configMap $root.Values.customCA.secret }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/cropstream/custom-ca/{{ $root.Values.customCA.key }}
{{- end }}
{{- with $root.Values.otlp.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "cropstream.ownEnv" -}}
{{- $values := index .root.Values .component -}}
{{- range $name, $value := $values.config }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cropstream.probes" -}}
{{- $values := index .root.Values .component -}}
startupProbe:
  httpGet: { path: /healthz, port: http, scheme: {{ include "cropstream.probeScheme" . }} }
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ div (add (int $values.startupSeconds) 4) 5 }}
# Restarted for this alone: not to be ready is no fault of the process.
livenessProbe:
  httpGet: { path: /healthz, port: http, scheme: {{ include "cropstream.probeScheme" . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http, scheme: {{ include "cropstream.probeScheme" . }} }
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* Out of Services and other nodes' tables first; then SIGTERM, on which the service drains for its grace. */}}
{{- define "cropstream.lifecycle" -}}
{{- with (index .root.Values .component).preStopSeconds }}
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ . | toString | quote }}]
{{- end }}
{{- end }}

{{/* What a service takes beyond its grace (10 s at most), and some for the container's own end. */}}
{{- define "cropstream.terminationGrace" -}}
{{- $values := index .root.Values .component -}}
{{ add (int $values.graceSeconds) (int $values.preStopSeconds) 15 }}
{{- end }}

{{- define "cropstream.volumes" -}}
{{- $values := index .root.Values .component -}}
- name: tmp
  emptyDir: {}
{{- if eq .component "worker" }}
- name: cache
  {{- if eq $values.cache.kind "existingClaim" }}
  persistentVolumeClaim:
    claimName: {{ $values.cache.existingClaim }}
  {{- else if eq $values.cache.kind "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels:
          {{- include "cropstream.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.cache.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $values.cache.size }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ $values.cache.size }}
  {{- end }}
{{- end }}
{{- include "cropstream.secretVolumes" . }}
{{- range .root.Values.data }}
- name: data-{{ .name }}
  {{- toYaml .source | nindent 2 }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cropstream.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if eq .component "worker" }}
- name: cache
  mountPath: /var/cache/cropstream
{{- end }}
{{- include "cropstream.secretMounts" . }}
{{- range .root.Values.data }}
- name: data-{{ .name }}
  mountPath: {{ .mountPath }}
  {{- with .subPath }}
  subPath: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- with (index .root.Values .component).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What must hold between values that a schema of one of them cannot say. */}}
{{- define "cropstream.check" -}}
{{- $external := .Values.externalRedis -}}
{{- if .Values.redis.enabled -}}
{{- if or $external.url $external.urlSecret.name -}}
{{- fail "redis.enabled and externalRedis: exactly one Redis is wanted; set redis.enabled=false for the external one" -}}
{{- end -}}
{{- else -}}
{{- if not (or $external.url $external.urlSecret.name) -}}
{{- fail "redis.enabled is false: externalRedis.url or externalRedis.urlSecret.name is wanted" -}}
{{- end -}}
{{- if and $external.url $external.urlSecret.name -}}
{{- fail "externalRedis.url and externalRedis.urlSecret.name: exactly one is wanted" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.security.tokens.existingSecret (not .Values.security.token.existingSecret) -}}
{{- fail "security.tokens wants security.token beside it: the token by which coordinators and workers know each other" -}}
{{- end -}}
{{- $tls := .Values.security.tls -}}
{{- if ne (empty $tls.coordinatorSecret) (empty $tls.workerSecret) -}}
{{- if and .Values.coordinator.enabled .Values.worker.enabled -}}
{{- fail "security.tls: coordinatorSecret and workerSecret are wanted together" -}}
{{- end -}}
{{- end -}}
{{- if and $tls.clientCa.existingSecret (not (or $tls.coordinatorSecret $tls.workerSecret)) -}}
{{- fail "security.tls.clientCa wants security.tls.coordinatorSecret and workerSecret beside it" -}}
{{- end -}}
{{- if and .Values.customCA.configMap .Values.customCA.secret -}}
{{- fail "customCA.configMap and customCA.secret: one at most is wanted" -}}
{{- end -}}
{{- $scaling := .Values.worker.autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail "worker.autoscaling.minReplicas is over maxReplicas" -}}
{{- end -}}
{{- if and (eq $scaling.kind "keda") (not $scaling.keda.serverAddress) -}}
{{- fail "worker.autoscaling.keda.serverAddress is wanted: where KEDA reaches Prometheus" -}}
{{- end -}}
{{- with .Values.worker.cache -}}
{{- if and (eq .kind "existingClaim") (not .existingClaim) -}}
{{- fail "worker.cache.existingClaim is wanted with kind existingClaim" -}}
{{- end -}}
{{- end -}}
{{- range $name, $ingress := .Values.coordinator.ingress -}}
{{- if and $ingress.enabled (not $ingress.hosts) -}}
{{- fail (printf "coordinator.ingress.%s.hosts is wanted" $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The pods of a component of this release, as a peer of a NetworkPolicy. */}}
{{- define "cropstream.pods" -}}
podSelector:
  matchLabels:
    {{- include "cropstream.selector" . | nindent 4 }}
{{- end }}

{{- define "cropstream.egressToDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}

{{/* "true" where helm test has what it needs: beside a tokens file the fleet's own token is no trainer's. */}}
{{- define "cropstream.tests" -}}
{{- if and .Values.tests.enabled .Values.coordinator.enabled (or .Values.tests.tokenSecret.name (not .Values.security.tokens.existingSecret)) -}}
true
{{- end -}}
{{- end }}
