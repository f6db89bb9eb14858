{{- define "infisical.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* `<release>-<chart>-<component>`, and `<release>-<component>` where the release is named after the chart. */}}
{{- define "infisical.fullname" -}}
{{- if .Values.infisical.fullnameOverride -}}
{{- .Values.infisical.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "infisical.name" .) .Release.Name -}}
{{- printf "%s-%s" .Release.Name .Values.infisical.name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s-%s" .Release.Name (include "infisical.name" .) .Values.infisical.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "infisical.matchLabels" -}}
component: {{ .Values.infisical.name | quote }}
app: {{ include "infisical.name" . }}
release: {{ .Release.Name }}
{{- end }}

{{- define "infisical.labels" -}}
{{ include "infisical.matchLabels" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
heritage: {{ .Release.Service }}
{{- end }}

{{/* The published chart would install these; a stack that forgets to switch them off must not pass here and surprise there. */}}
{{- define "infisical.refuseBundled" -}}
{{- if .Values.postgresql.enabled }}{{ fail "postgresql.enabled: this chart bundles no PostgreSQL; set it to false and give DB_CONNECTION_URI in infisical.kubeSecretRef" }}{{ end }}
{{- if .Values.redis.enabled }}{{ fail "redis.enabled: this chart bundles no Redis; set it to false and give REDIS_URL in infisical.kubeSecretRef" }}{{ end }}
{{- if and .Values.ingress.enabled .Values.ingress.nginx.enabled }}{{ fail "ingress.nginx.enabled: this chart bundles no ingress controller; set it to false" }}{{ end }}
{{- if .Values.infisical.autoBootstrap.enabled }}{{ fail "infisical.autoBootstrap.enabled: on a passive site this would set up a second instance; set it to false and bootstrap once, by hand" }}{{ end }}
{{- end }}
