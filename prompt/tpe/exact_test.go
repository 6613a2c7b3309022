package tpe

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Correctly rounded values, from decimal arithmetic of 60 digits.
func TestExact(t *testing.T) {
	t.Parallel()
	require.Zero(t, log(1))
	require.InDelta(t, 1, exp(0), 0)
	require.InDelta(t, -0.1348845519503039, log(0.8738167863088043), 0)
	require.InDelta(t, 0.000509225356146628, exp(-7.582619896474795), 0)
	require.InDelta(t, -8.617817671686074, log(0.00018085450826330532), 0)
	require.InDelta(t, 0.5071360535103502, exp(-0.678975961271373), 0)
	require.InDelta(t, -0.5391788211032746, log(0.583226989478444), 0)
	require.InDelta(t, 0.002773181914212962, exp(-5.887759912548186), 0)
	require.InDelta(t, -1.202640100458533, log(0.3004000776935508), 0)
	require.InDelta(t, 0.08500105075768129, exp(-2.4650916607131537), 0)
	require.InDelta(t, -1.5029022990051348, log(0.22248350854867655), 0)
	require.InDelta(t, 0.007793900260344103, exp(-4.854413869126703), 0)
	require.InDelta(t, -1.6279603066647008, log(0.19632961821838404), 0)
	require.InDelta(t, 0.2816576473527948, exp(-1.2670629620384446), 0)
	require.InDelta(t, -2.5272419358913463, log(0.07987902822921995), 0)
	require.InDelta(t, 0.042926987926630925, exp(-3.148254561642971), 0)
	require.InDelta(t, -0.9729880412729013, log(0.37795201295611885), 0)
	require.InDelta(t, 0.0003496574826657491, exp(-7.958556503597942), 0)
	require.InDelta(t, -0.15578952315832156, log(0.8557392847194567), 0)
	require.InDelta(t, 0.012862793247600738, exp(-4.353416379434567), 0)
	require.InDelta(t, -2.4300261488839747, log(0.08803453054754982), 0)
	require.InDelta(t, 0.11695969003138644, exp(-2.1459259331946248), 0)
	require.InDelta(t, -9.97902154217027, log(4.636241065854223e-05), 0)
	require.InDelta(t, 0.8028729018315425, exp(-0.21955885672655207), 0)
	require.InDelta(t, -2.297838459008266, log(0.10047579170980812), 0)
	require.InDelta(t, 0.07825981525734957, exp(-2.5477210228294194), 0)
	require.InDelta(t, math.Exp(-800), exp(-800), 0)
}
