package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/alerting"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"cogflow": {"alerts": {"webhook": "https://hooks.example.org/T0/hidden", "webhook_secret_env": "HOOK_SECRET", "thresholds_percent": [120, 50]}}}`))
	require.NoError(t, err)
	require.Equal(t, alerting.Alerts{
		Webhook: "https://hooks.example.org/T0/hidden", Host: "hooks.example.org", SecretEnv: "HOOK_SECRET", Thresholds: []int{50, 100, 120},
	}, c.Alerts)
	c, err = Load(file(t, `{"cogflow": {"alerts": {"workflow": "watchman"}}}`))
	require.NoError(t, err)
	require.Equal(t, []int{80, 100}, c.Alerts.Thresholds)
	c, err = Load(file(t, `{}`))
	require.NoError(t, err)
	require.False(t, c.Alerts.On())

	_, err = Load(file(t, `{"cogflow": {"alerts": {"webhook": "ftp://hidden", "webhook_secret_env": "a secret", "thresholds_percent": [0]}}}`))
	for _, key := range []string{"cogflow.alerts.webhook:", "cogflow.alerts.webhook_secret_env:", "cogflow.alerts.thresholds_percent:"} {
		require.ErrorContains(t, err, key)
	}
	require.NotContains(t, err.Error(), "hidden")
	_, err = Load(file(t, `{"cogflow": {"alerts": {"webhook": "https://h/x"}}}`))
	require.ErrorContains(t, err, "set webhook and webhook_secret_env, or neither")
}
