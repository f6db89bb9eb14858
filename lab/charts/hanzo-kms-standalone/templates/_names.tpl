{{- define "kms.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* `<release>-<chart>-<component>`, and `<release>-<component>` where the release is named after the chart. */}}
{{- define "kms.fullname" -}}
{{- if .Values.kms.fullnameOverride -}}
{{- .Values.kms.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "kms.name" .) .Release.Name -}}
{{- printf "%s-%s" .Release.Name .Values.kms.name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s-%s" .Release.Name (include "kms.name" .) .Values.kms.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "kms.matchLabels" -}}
component: {{ .Values.kms.name | quote }}
app: {{ include "kms.name" . }}
release: {{ .Release.Name }}
{{- end }}

{{- define "kms.labels" -}}
{{ include "kms.matchLabels" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
heritage: {{ .Release.Service }}
{{- end }}

{{/* The published chart would install these; a stack that forgets to switch them off must not pass here and surprise there. */}}
{{- define "kms.refuseBundled" -}}
{{- if .Values.postgresql.enabled }}{{ fail "postgresql.enabled: this chart bundles no PostgreSQL; set it to false and give DB_CONNECTION_URI in kms.kubeSecretRef" }}{{ end }}
{{- if .Values.redis.enabled }}{{ fail "redis.enabled: this chart bundles no Redis; set it to false and give REDIS_URL in kms.kubeSecretRef" }}{{ end }}
{{- if and .Values.ingress.enabled .Values.ingress.nginx.enabled }}{{ fail "ingress.nginx.enabled: this chart bundles no ingress controller; set it to false" }}{{ end }}
{{- if .Values.kms.autoBootstrap.enabled }}{{ fail "kms.autoBootstrap.enabled: on a passive site this would set up a second instance; set it to false and bootstrap once, by hand" }}{{ end }}
{{- end }}
